"""A health service as a process, with a database of its own on the stack of the tests."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import text

from shared.auth import keys
from shared.db.engine import create_engine
from shared.db.migrate import migrate, migration_engine
from shared.db.transaction import Database, Transaction
from shared.kernel.clock import SystemClock
from tenure.catalog import SCHEMAS
from tenure.stack.ports import free_port
from tenure.stack.processes import ManagedProcess, ProcessSpec
from tests import stacks
from tests.clients.gate import Gate

_READY_WITHIN = 90


@dataclass(frozen=True)
class Edge:
    """A health service of its own that only answers HTTP, behind a gate to the broker."""

    url: str
    gate: Gate

    def answered(self, status: int) -> int:
        """Return how many requests of clients were answered like this."""
        found = 0
        for line in httpx.get(f"{self.url}/metrics", timeout=30).text.splitlines():
            is_count = line.startswith("tenure_http_request_seconds_count")
            if is_count and f'status="{status}"' in line and 'method="POST"' in line:
                found += int(float(line.rsplit(" ", 1)[1]))
        return found


@dataclass(frozen=True)
class RunningHealth:
    """A health service that counts, what it has counted, and keys for it."""

    url: str
    database_url: str
    bootstrap: str
    session_seconds: float
    folder: Path

    def key(self) -> str:
        """Make a write key."""
        scopes = ["usage:write"]
        made = self._inside(lambda tx: keys.create(tx, name="sdk", source="sdk", scopes=scopes))
        secret: str = made.secret
        return secret

    def fetch_value(self, sql: str, **values: Any) -> Any:
        return self._inside(lambda tx: tx.fetch_value(sql, **values))

    @contextmanager
    def edge(self, **settings: object) -> Iterator[Edge]:
        """Run one more service, with these settings, on the same database."""
        gate = Gate(self.bootstrap)
        given = {"kafka_bootstrap": gate.address, "workers": False, **settings}
        with self.serving(given, f"{self.folder}/edge.log") as url:
            try:
                yield Edge(url, gate)
            finally:
                gate.close()

    @contextmanager
    def serving(self, settings: Mapping[str, object], log: str) -> Iterator[str]:
        port = free_port()
        given = {
            "database_url": self.database_url,
            "kafka_bootstrap": self.bootstrap,
            "kafka_session_seconds": self.session_seconds,
            **settings,
        }
        url = f"http://127.0.0.1:{port}"
        process = ManagedProcess(
            ProcessSpec(
                name="health",
                command=[sys.executable, "-m", "tenure", "serve", "health", "--port", str(port)],
                log=Path(log),
                env={**os.environ, **{f"TENURE_{k.upper()}": str(v) for k, v in given.items()}},
                ready=lambda _pid: _is_ready(url),
                ready_within=_READY_WITHIN,
            )
        )
        process.start()
        try:
            yield url
        finally:
            process.terminate()

    def _inside(self, work: Callable[[Transaction], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            engine = create_engine(self.database_url, schema="health", pool_size=1)
            database = Database(engine, service="health", clock=SystemClock())
            try:
                async with database.transaction() as tx:
                    return await work(tx)
            finally:
                await database.close()

        return asyncio.run(run())


@contextmanager
def running_health(stack: stacks.Stack, folder: Path) -> Iterator[RunningHealth]:
    """Run a health service on a new database, until the block ends."""
    name = f"clients_{uuid4().hex[:12]}"
    asyncio.run(_create(stack, name))
    made = RunningHealth("", stack.url(name), stack.bootstrap, stack.session_seconds, folder)
    with made.serving({}, f"{folder}/health.log") as url:
        yield RunningHealth(url, made.database_url, made.bootstrap, made.session_seconds, folder)


async def _create(stack: stacks.Stack, name: str) -> None:
    engine = migration_engine(stack.admin_url)
    async with engine.connect() as raw:
        connection = await raw.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await engine.dispose()
    engine = migration_engine(stack.url(name))
    await migrate(engine, SCHEMAS, role_password=None)
    await engine.dispose()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
