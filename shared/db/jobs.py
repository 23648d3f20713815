"""Jobs: a service's third door, time. Each runs again and again for as long as it lives."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from shared.db import timers
from shared.db.errors import is_unavailable
from shared.db.transaction import Database
from shared.observability.logging import get_logger
from shared.observability.metrics import JOB_FAILURES, TIMERS_FIRED

log = get_logger(__name__)

_TIMER_POLL = timedelta(milliseconds=250)
_KEPT = {
    "outbox": ("publishedat", timedelta(days=7)),
    "inbox": ("received_at", timedelta(days=14)),
    "idempotency_keys": ("created_at", timedelta(days=1)),
    "timers": ("fired_at", timedelta(days=30)),
    "dead_letters": ("created_at", timedelta(days=90)),
}
_FORGOTTEN_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Job:
    """Something done every so often. ``run`` returns True when there is more to do at once.

    ``share`` is the part of the time, above 0, that it may take however much there is to do.
    """

    name: str
    every: timedelta
    run: Callable[[Database], Awaitable[bool]]
    share: float = 1.0


def timer_job(handlers: Mapping[str, timers.Handler]) -> Job:
    """Return the job that fires a service's timers."""

    async def fire(database: Database) -> bool:
        fired = await timers.fire_next(database, handlers)
        if fired:
            TIMERS_FIRED.labels(database.service).inc()
        return fired

    return Job("timers", _TIMER_POLL, fire)


async def forget_old_rows(database: Database) -> bool:
    """Delete plumbing rows that are past their use; the outbox's are kept for a lost log.

    Some at a time: what has gathered for days would not go within one statement's time.
    """
    forgotten = 0
    for table, (column, age) in _KEPT.items():
        async with database.transaction() as tx:
            found = await tx.execute(
                f"DELETE FROM {table} WHERE ctid IN (SELECT ctid FROM {table} "
                f"WHERE {column} < :before LIMIT :most)",
                before=tx.now - age,
                most=_FORGOTTEN_AT_ONCE,
            )
        forgotten = max(forgotten, found)
    return forgotten == _FORGOTTEN_AT_ONCE


async def run_job(job: Job, database: Database, stop: asyncio.Event) -> None:
    """Run a job until told to stop. A failure is logged and counted; the next run follows."""
    loop = asyncio.get_running_loop()
    while not stop.is_set():
        more, started = False, loop.time()
        try:
            more = await job.run(database)
        except Exception as error:
            JOB_FAILURES.labels(job.name).inc()
            expected = is_unavailable(error)
            log.warning("job_failed", job=job.name, error=str(error), exc_info=not expected)
        if not more:
            await rest(stop, job.every.total_seconds())
        elif job.share < 1.0:
            await rest(stop, (loop.time() - started) * (1 / job.share - 1))


async def each_alone(
    job: str,
    account_ids: Iterable[str],
    work: Callable[[str], Awaitable[None]],
    put_off: Callable[[str], Awaitable[None]],
) -> None:
    """Work on accounts one by one: one that fails is put off, and keeps no other from its turn.

    Raises what says that the database is not there.
    """
    for account_id in account_ids:
        try:
            await work(account_id)
        except Exception as error:
            if is_unavailable(error):
                raise
            log.exception("account_failed", job=job, account_id=account_id)
            await put_off(account_id)


async def rest(stop: asyncio.Event, seconds: float) -> None:
    """Wait for so long, or until told to stop."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
