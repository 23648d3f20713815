"""Timers: everything that waits for a time, in the service's own database.

A timer has a business key and fires once. Setting it again moves it, until it has fired.
The handler runs in the transaction that marks it fired, so its effect happens once.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.db.transaction import Database, Transaction

_MOST_DOUBLINGS = 12
"""Past an hour anyway; a power of fifty is no time at all."""


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer that is due: its kind chooses the handler, its payload is the handler's own."""

    kind: str
    key: str
    account_id: str
    due_at: datetime
    payload: Mapping[str, Any]
    attempts: int = 0


Handler = Callable[[Transaction, Timer], Awaitable[None]]


async def schedule(tx: Transaction, timer: Timer) -> None:
    """Set a timer, or move it when its key is already waiting; a fired one stays fired."""
    await tx.execute(
        "INSERT INTO timers (key, kind, account_id, due_at, payload) "
        "VALUES (:key, :kind, :account_id, :due_at, :payload) "
        "ON CONFLICT (key) DO UPDATE SET due_at = EXCLUDED.due_at, payload = EXCLUDED.payload, "
        "attempts = 0 WHERE timers.fired_at IS NULL",
        key=timer.key,
        kind=timer.kind,
        account_id=timer.account_id,
        due_at=timer.due_at,
        payload=dict(timer.payload),
    )


async def cancel(tx: Transaction, key: str) -> None:
    """Take a waiting timer away."""
    await tx.execute("DELETE FROM timers WHERE key = :key AND fired_at IS NULL", key=key)


async def fire_next(database: Database, handlers: Mapping[str, Handler]) -> bool:
    """Fire the timer that is due the longest; return False when none is due.

    Other replicas skip the locked row. A handler that fails leaves the timer waiting, later each
    time, up to an hour.
    """
    timer: Timer | None = None
    try:
        async with database.transaction() as tx:
            timer = await _claim(tx, list(handlers))
            if timer is None:
                return False
            await handlers[timer.kind](tx, timer)
            await tx.execute(
                "UPDATE timers SET fired_at = :now WHERE key = :key", now=tx.now, key=timer.key
            )
    except Exception:
        if timer is not None:
            await _postpone(database, timer)
        raise
    return True


async def _claim(tx: Transaction, kinds: list[str]) -> Timer | None:
    row = await tx.fetch_one(
        "SELECT kind, key, account_id, due_at, payload, attempts FROM timers "
        "WHERE fired_at IS NULL AND due_at <= :now AND kind = ANY(CAST(:kinds AS text[])) "
        "ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED",
        now=tx.now,
        kinds=kinds,
    )
    return Timer(**row) if row else None


async def _postpone(database: Database, timer: Timer) -> None:
    wait = min(timedelta(seconds=2 ** min(timer.attempts, _MOST_DOUBLINGS)), timedelta(hours=1))
    async with database.transaction() as tx:
        await tx.execute(
            "UPDATE timers SET attempts = attempts + 1, due_at = :due "
            "WHERE key = :key AND fired_at IS NULL",
            key=timer.key,
            due=tx.now + wait,
        )
