"""The whole product for tests that look at it from outside: processes, receivers and keys.

It is started once and shared, so tests keep to accounts of their own (`World.account`).
"""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import httpx

from shared.auth import keys
from shared.db.engine import create_engine
from shared.db.transaction import Database
from shared.kernel.clock import SystemClock
from tenure.demo.receivers import SmtpSink, WebhookReceiver
from tenure.stack.local import LocalStack, Plan
from tenure.stack.ports import free_port

T = TypeVar("T")

WITHIN = 60.0
"""How long to wait for what takes a second on a machine with nothing else to do."""

SOURCE = "/e2e/backend"
ROOT = Path(__file__).parents[1]


def until(look: Callable[[], T], within: float = WITHIN) -> T:
    """Return what `look` returns as soon as that is true. Raises AssertionError with the last."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, f"still {found!r} after {within:g} s"
        time.sleep(0.1)
    return found


@dataclass
class World:
    """The five services, what they need, and who receives what they send."""

    stack: LocalStack
    mail: SmtpSink
    hooks: WebhookReceiver
    home: Path
    admin: str = ""
    write_key: str = ""
    clients: dict[str, httpx.Client] = field(default_factory=dict)

    def make_key(self, *scopes: str, source: str = SOURCE) -> str:
        """Make a key as the command does; return its secret."""

        async def make() -> str:
            engine = create_engine(self.stack.admin_url, schema="auth", pool_size=1)
            database = Database(engine, service="auth", clock=SystemClock())
            async with database.transaction() as tx:
                made = await keys.create(tx, name="e2e", source=source, scopes=scopes)
            await database.close()
            return made.secret

        return asyncio.run(make())

    def rows(self, schema: str, sql: str, *params: Any) -> list[dict[str, Any]]:
        """Return what a query in a schema finds."""

        async def fetch() -> list[dict[str, Any]]:
            connection = await asyncpg.connect(self.stack.admin_url)
            try:
                await connection.execute(f"SET search_path TO {schema}")
                return [dict(row) for row in await connection.fetch(sql, *params)]
            finally:
                await connection.close()

        return asyncio.run(fetch())

    def call(
        self, method: str, path: str, body: Any = None, *, key: str = "", **more: Any
    ) -> httpx.Response:
        """Send a request; a path begins with the service: ``renewals/accounts/acme/renewals``."""
        service, _, rest = path.partition("/")
        headers = {"Authorization": f"Bearer {key or self.admin}", **more.pop("headers", {})}
        if body is not None:
            more["json"] = body
        return self.clients[service].request(method, f"/api/v1/{rest}", headers=headers, **more)

    def get(self, path: str, **query: Any) -> Any:
        """Return what a GET answers, which has to be a success."""
        answer = self.call("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def account(self, name: str, **given: Any) -> str:
        """Open an account with a CSM of its own, and wait until every service knows it."""
        account_id = f"{name}-{uuid4().hex[:6]}"
        order = {"account_id": account_id, "name": name.title(), "start_onboarding": False, **given}
        opened = self.call("POST", "onboarding/accounts", order)
        assert opened.status_code == 201, opened.text
        owner = {"name": "Ana Brandt", "email": csm_of(account_id)}
        path = f"onboarding/accounts/{account_id}/owners/csm"
        match = {"If-Match": opened.headers["etag"]}
        assigned = self.call("PUT", path, owner, headers=match)
        assert assigned.status_code == 200, assigned.text
        until(lambda: self._is_known(account_id))
        return account_id

    def contract(self, account_id: str, *, days_to_notice: int = 100) -> None:
        """Sign a contract for a year that can be ended in so many days."""
        ends_on = today() + timedelta(days=days_to_notice + 30)
        order = {
            "starts_on": (ends_on - timedelta(days=364)).isoformat(),
            "ends_on": ends_on.isoformat(),
            "notice_period_days": 30,
            "seats": 20,
            "amount": {"amount_minor": 1_200_000, "currency": "EUR"},
        }
        signed = self.call("POST", f"renewals/accounts/{account_id}/contracts", order)
        assert signed.status_code == 201, signed.text

    def counted(self, account_id: str) -> int:
        """Return how many usage events of an account are counted."""
        sql = "SELECT coalesce(sum(n), 0)::int AS n FROM usage_daily WHERE account_id = $1"
        return int(self.rows("health", sql, account_id)[0]["n"])

    def run(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a ``tenure`` command in a folder where no stack is announced."""
        return subprocess.run(
            [sys.executable, "-m", "tenure", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            cwd=ROOT,
            env={**_plain_environment(), "TENURE_HOME": str(self.home), **(environment or {})},
        )

    def logs(self) -> str:
        """Return everything that the services have logged."""
        folder = self.stack.plan.folder / "logs"
        return "".join(log.read_text(errors="replace") for log in sorted(folder.glob("*.log")))

    def _is_known(self, account_id: str) -> bool:
        sql = "SELECT account_id FROM accounts WHERE account_id = $1"
        services = ("health", "renewals", "expansion", "notifications")
        owners = "SELECT 1 FROM owners WHERE account_id = $1"
        return all(self.rows(name, sql, account_id) for name in services) and bool(
            self.rows("notifications", owners, account_id)
        )


def csm_of(account_id: str) -> str:
    """Return the address of the CSM of an account."""
    return f"csm.{account_id}@vendor.example"


def today() -> date:
    return datetime.now(UTC).date()


def _plain_environment() -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TENURE_")}
    # As wide as it takes: nothing that a test looks for is to be wrapped.
    return {**environment, "COLUMNS": "300", "NO_COLOR": "1"}


class _Background:
    """An event loop in a thread of its own, for receivers that outlive a test's loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@contextmanager
def receivers() -> Iterator[tuple[SmtpSink, WebhookReceiver]]:
    """Run a mail server and a webhook receiver beside the tests."""
    background = _Background()
    mail, hooks = SmtpSink(port=free_port()), WebhookReceiver()
    background.run(mail.__aenter__())
    background.run(hooks.__aenter__())
    try:
        yield mail, hooks
    finally:
        background.run(hooks.__aexit__(None, None, None))
        background.run(mail.__aexit__(None, None, None))
        background.stop()


@contextmanager
def running(folder: Path, broker: str, database: str) -> Iterator[World]:
    """Run the product on parts of its own or on those given; see `Plan`."""
    with receivers() as (mail, hooks):
        plan = Plan(
            folder=folder / "stack",
            broker=broker,
            database=database,
            durable=False,
            environment={"TENURE_SMTP_URL": mail.url},
        )
        with LocalStack(plan).running() as stack:
            world = World(stack, mail, hooks, folder / "home")
            world.admin = world.make_key("admin")
            world.write_key = world.make_key("usage:write")
            for name, url in stack.urls.items():
                world.clients[name] = httpx.Client(base_url=url, timeout=30, trust_env=False)
            try:
                yield world
            finally:
                for client in world.clients.values():
                    client.close()


def delivered(world: World, account_id: str, kind: str) -> Sequence[dict[str, Any]]:
    """Return the webhooks of a kind that came in about an account."""
    return [
        hook.payload
        for hook in list(world.hooks.received)
        if hook.is_genuine
        and hook.payload["type"] == kind
        and hook.payload["data"]["account"]["id"] == account_id
    ]
