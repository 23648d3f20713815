"""The whole product as processes, and what a person needs to use it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any
from uuid import uuid4

import httpx
import pytest

from shared.auth import keys
from shared.bus.producer import Message, Producer
from shared.db.engine import create_engine
from shared.db.transaction import Database, Transaction
from shared.kernel.clock import SystemClock
from tenure.catalog import SERVICES
from tenure.demo.receivers import SmtpSink, WebhookReceiver
from tenure.stack.local import LocalStack, Plan
from tests import stacks

_DUE = "SELECT count(*) FROM deliveries WHERE status = 'pending' AND next_attempt_at < now()"


def eventually(check: Callable[[], Any], *, within: float = 30.0, what: str) -> Any:
    """Return what a check says once it says something true; fail when it never does."""
    deadline = time.monotonic() + within
    while not (found := check()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within:g} s: {what}")
        time.sleep(0.05)
    return found


class Receivers:
    """A mail server and a webhook receiver, in a thread of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.mail: SmtpSink = self._do(SmtpSink().__aenter__())
        self.hooks: WebhookReceiver = self._do(WebhookReceiver().__aenter__())

    def close(self) -> None:
        self._do(self.hooks.__aexit__(None, None, None))
        self._do(self.mail.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


@dataclass
class Product:
    """A running product: clients of its services, its keys, its receivers and its wire."""

    stack: LocalStack
    receivers: Receivers
    _exits: ExitStack
    _clients: dict[tuple[str, tuple[str, ...]], httpx.Client] = field(default_factory=dict)

    def client(self, service: str, *scopes: str) -> httpx.Client:
        """Return a client of a service with a key of these scopes (default: read and write)."""
        wanted = scopes or (f"{service}:read", f"{service}:write")
        if (service, wanted) not in self._clients:
            made = httpx.Client(
                base_url=self.stack.url(service),
                headers={"Authorization": f"Bearer {self.key(*wanted).secret}"},
                timeout=30,
            )
            self._clients[service, wanted] = self._exits.enter_context(made)
        return self._clients[service, wanted]

    def key(self, *scopes: str, source: str = "e2e") -> keys.NewKey:
        """Make a key."""

        return self.inside(
            "auth", lambda tx: keys.create(tx, name="e2e", source=source, scopes=scopes)
        )

    def inside(self, schema: str, work: Callable[[Transaction], Awaitable[Any]]) -> Any:
        """Do something in a transaction of a schema, as administrator."""

        async def run() -> Any:
            engine = create_engine(self.stack.admin_url, schema=schema, pool_size=1)
            database = Database(engine, service=schema, clock=SystemClock())
            try:
                async with database.transaction() as tx:
                    return await work(tx)
            finally:
                await database.close()

        return asyncio.run(run())

    def fetch_value(self, schema: str, sql: str, **values: Any) -> Any:
        return self.inside(schema, lambda tx: tx.fetch_value(sql, **values))

    def publish(self, *messages: Message) -> None:
        """Put records on topics, as a backend that speaks Kafka does."""

        async def run() -> None:
            producer = Producer(self.stack.bootstrap)
            answers = await producer.send_all(messages)
            await producer.stop()
            assert not any(answers)

        asyncio.run(run())

    def wait_until_quiet(self) -> None:
        """Wait until all that was said is published and all that is due is delivered."""

        def is_quiet() -> bool:
            waiting = [
                self.fetch_value(name, "SELECT count(*) FROM outbox WHERE publishedat IS NULL")
                for name in SERVICES
            ]
            return not any(waiting) and not self.fetch_value("notifications", _DUE)

        eventually(is_quiet, what="every outbox is empty and nothing is due")


def an_account(what: str = "e2e") -> str:
    """Return the id of an account that no other test knows."""
    return f"{what}-{uuid4().hex[:10]}"


@contextmanager
def running_product(kind: str) -> Iterator[Product]:
    """Run the product on the parts that TENURE_TEST_STACK names, until the block ends."""
    receivers = Receivers()
    # Not pytest's own folder: as root, Postgres runs as a user who could not enter it.
    with ExitStack() as exits, TemporaryDirectory(prefix="tenure-e2e-") as folder:
        Path(folder).chmod(0o755)
        plan = Plan(
            folder=Path(folder),
            durable=False,
            environment={"TENURE_SMTP_URL": receivers.mail.url},
            **_parts(kind, Path(folder), exits),
        )
        exits.callback(receivers.close)
        stack = exits.enter_context(LocalStack(plan).running())
        yield Product(stack, receivers, exits)


def _parts(kind: str, folder: Path, exits: ExitStack) -> dict[str, str]:
    if kind in {"embedded", "apache"}:
        return {"broker": kind}
    parts = exits.enter_context(stacks.start(kind, folder))
    return {"broker": parts.bootstrap, "database": parts.admin_url}
