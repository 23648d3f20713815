"""One door, one transaction.

A door opens a `Transaction`, hands it to a use case and commits. Facts emitted in it become
outbox rows just before the commit, under a lock per account, so that the order of an account's
events is the order of its commits.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, cast

from sqlalchemy import RowMapping
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.contracts.event import Event, Fact
from shared.db import outbox
from shared.db.sql import statement
from shared.kernel.clock import Clock
from shared.kernel.failpoints import reach
from shared.observability.tracing import current_traceparent

Row = RowMapping
"""A row as storage reads it, by column name."""


class ForeignFactError(TypeError):
    """A service may only emit facts that it publishes itself."""


@dataclass
class Transaction:
    """A database transaction, the time it happens at, and the facts it leaves behind.

    ``now`` is read once, when it opens. ``cause`` is the event that led to it, if any.
    """

    connection: AsyncConnection
    service: str
    now: datetime
    cause: Event | None = None
    _events: list[Event] = field(default_factory=list)
    _leaves_work: bool = False

    async def execute(self, sql: str, **params: Any) -> int:
        """Run a statement; return how many rows it touched."""
        result = await self.connection.execute(statement(sql), params)
        return cast("CursorResult[Any]", result).rowcount

    async def execute_many(self, sql: str, rows: Sequence[dict[str, Any]]) -> None:
        """Run a statement once for each row of parameters."""
        if rows:
            await self.connection.execute(statement(sql), list(rows))

    async def fetch_one(self, sql: str, **params: Any) -> Row | None:
        """Return the first row, or None."""
        return (await self.connection.execute(statement(sql), params)).mappings().first()

    async def fetch_all(self, sql: str, **params: Any) -> Sequence[Row]:
        """Return all rows."""
        return (await self.connection.execute(statement(sql), params)).mappings().all()

    async def fetch_tuples(self, sql: str, **params: Any) -> Sequence[tuple[Any, ...]]:
        """Return all rows as plain tuples: for thousands, where names would cost the most time."""
        found = (await self.connection.execute(statement(sql), params)).all()
        return cast("Sequence[tuple[Any, ...]]", found)

    async def fetch_value(self, sql: str, **params: Any) -> Any:
        """Return the first column of the first row, or None."""
        return (await self.connection.execute(statement(sql), params)).scalar()

    def emit(self, fact: Fact) -> Event:
        """Record that a fact happened; it is published once this transaction commits.

        Raises `ForeignFactError` when another service owns the fact.
        """
        if fact.publisher() != self.service:
            raise ForeignFactError(f"{self.service} cannot emit {fact.event_type}")
        event = Event.of(fact, time=self.now, cause=self.cause, traceparent=current_traceparent())
        self._events.append(event)
        return event

    def wake(self) -> None:
        """Say that this transaction leaves work in the database: who waits is woken after commit.

        For work that no fact tells of; `Database.on_wake` says who is woken.
        """
        self._leaves_work = True

    @property
    def leaves_work(self) -> bool:
        """Whether somebody is to be woken."""
        return self._leaves_work

    @property
    def emitted(self) -> Sequence[Event]:
        """The events emitted so far, oldest first."""
        return tuple(self._events)


class Database:
    """Opens the transactions of one service."""

    def __init__(self, engine: AsyncEngine, *, service: str, clock: Clock) -> None:
        self.engine = engine
        self.service = service
        self.clock = clock
        self._after_emit: list[Callable[[], object]] = []
        self._on_wake: list[Callable[[], object]] = []

    def after_emit(self, callback: Callable[[], object]) -> None:
        """Call back after each commit that left events in the outbox."""
        self._after_emit.append(callback)

    def on_wake(self, callback: Callable[[], object]) -> None:
        """Call back after each commit of a transaction that called `Transaction.wake`."""
        self._on_wake.append(callback)

    @asynccontextmanager
    async def transaction(self, *, cause: Event | None = None) -> AsyncIterator[Transaction]:
        """Open a transaction; commit when the block ends, roll back when it raises."""
        async with self.engine.connect() as connection, connection.begin():
            tx = Transaction(connection, self.service, self.clock.now(), cause)
            yield tx
            await outbox.save(connection, tx.emitted)
            reach("transaction.before_commit")
        reach("transaction.after_commit")
        self.call_back(has_emitted=bool(tx.emitted), leaves_work=tx.leaves_work)

    def tell(self, other: "Database") -> None:
        """Let another one, of the event loop that runs here, call back for commits of this one.

        This one may then belong to a loop in another thread.
        """
        soon = asyncio.get_running_loop().call_soon_threadsafe
        self.after_emit(lambda: soon(partial(other.call_back, has_emitted=True)))
        self.on_wake(lambda: soon(partial(other.call_back, leaves_work=True)))

    def call_back(self, *, has_emitted: bool = False, leaves_work: bool = False) -> None:
        """Call those who wait for what a commit left behind."""
        for callback in [
            *(self._after_emit if has_emitted else ()),
            *(self._on_wake if leaves_work else ()),
        ]:
            callback()

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()
