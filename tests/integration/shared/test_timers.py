"""Timers fire once, when they are due, whatever happens."""

import asyncio
from datetime import timedelta

import pytest

from shared.db import timers
from shared.db.timers import Timer
from shared.db.transaction import Database, Transaction
from shared.kernel.clock import FixedClock
from tests.conftest import NOON, OpenDatabase

HOUR = timedelta(hours=1)


class Bell:
    """A handler that keeps what it was rung for, in its transaction and beside it."""

    def __init__(self, failures: int = 0) -> None:
        self.rung: list[Timer] = []
        self.failures = failures

    async def ring(self, tx: Transaction, timer: Timer) -> None:
        self.rung.append(timer)
        await tx.execute(
            "INSERT INTO heard (account_id, name) VALUES (:account, :name)",
            account=timer.account_id,
            name=timer.key,
        )
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the bell is broken")


def a_timer(key: str = "k", after: timedelta = HOUR, **payload: str) -> Timer:
    return Timer("bell", key, "acme", NOON + after, payload)


async def schedule(database: Database, *wanted: Timer) -> None:
    async with database.transaction() as tx:
        for timer in wanted:
            await timers.schedule(tx, timer)


async def fire_all(database: Database, bell: Bell) -> int:
    fired = 0
    while await timers.fire_next(database, {"bell": bell.ring}):
        fired += 1
    return fired


async def rung(database: Database) -> list[str]:
    async with database.transaction() as tx:
        return [row["name"] for row in await tx.fetch_all("SELECT name FROM heard ORDER BY seq")]


async def test_a_timer_fires_when_it_is_due_and_once(database: Database, clock: FixedClock) -> None:
    bell = Bell()
    await schedule(database, a_timer(why="renewal"))
    assert await fire_all(database, bell) == 0
    clock.advance(HOUR)
    assert await fire_all(database, bell) == 1
    clock.advance(HOUR)
    assert await fire_all(database, bell) == 0
    (fired,) = bell.rung
    assert (fired.account_id, fired.payload, fired.due_at) == (
        "acme",
        {"why": "renewal"},
        NOON + HOUR,
    )


async def test_a_timer_set_again_moves_and_one_that_fired_stays_fired(
    database: Database, clock: FixedClock
) -> None:
    bell = Bell()
    await schedule(database, a_timer(after=HOUR), a_timer(after=3 * HOUR))
    clock.advance(2 * HOUR)
    assert await fire_all(database, bell) == 0
    clock.advance(HOUR)
    assert await fire_all(database, bell) == 1
    await schedule(database, a_timer(after=HOUR))
    assert await fire_all(database, bell) == 0


async def test_a_timer_that_was_cancelled_does_not_fire(
    database: Database, clock: FixedClock
) -> None:
    await schedule(database, a_timer("off"), a_timer("on"))
    async with database.transaction() as tx:
        await timers.cancel(tx, "off")
        await timers.cancel(tx, "never set")
    clock.advance(HOUR)
    await fire_all(database, Bell())
    assert await rung(database) == ["on"]


async def test_a_handler_that_fails_has_no_effect_and_is_tried_later_each_time(
    database: Database, clock: FixedClock
) -> None:
    bell = Bell(failures=2)
    await schedule(database, a_timer())
    clock.advance(HOUR)
    for wait in (1, 2):
        with pytest.raises(RuntimeError):
            await fire_all(database, bell)
        assert await fire_all(database, bell) == 0
        clock.advance(timedelta(seconds=wait))
    assert await fire_all(database, bell) == 1
    assert await rung(database) == ["k"]


async def test_one_that_fails_does_not_hold_up_the_others(
    database: Database, clock: FixedClock
) -> None:
    bell = Bell(failures=1)
    await schedule(database, a_timer("first"), a_timer("second", 2 * HOUR))
    clock.advance(2 * HOUR)
    with pytest.raises(RuntimeError):
        await fire_all(database, bell)
    await fire_all(database, bell)
    assert await rung(database) == ["second"]


async def test_a_kind_nobody_handles_waits(database: Database, clock: FixedClock) -> None:
    await schedule(database, Timer("gong", "g", "acme", NOON, {}), a_timer(after=timedelta()))
    await fire_all(database, Bell())
    assert await rung(database) == ["k"]


async def test_four_workers_never_fire_a_timer_twice(
    database: Database, open_database: OpenDatabase, clock: FixedClock
) -> None:
    wanted = [a_timer(f"k{number:02}") for number in range(40)]
    await schedule(database, *wanted)
    clock.advance(HOUR)
    workers = [database, *[await open_database("renewals") for _ in range(3)]]
    bells = [Bell() for _ in workers]
    await asyncio.gather(
        *(fire_all(worker, bell) for worker, bell in zip(workers, bells, strict=True))
    )
    assert sorted(await rung(database)) == [timer.key for timer in wanted]
    assert sum(len(bell.rung) for bell in bells) == 40


async def test_a_timer_that_fails_for_days_keeps_no_other_from_firing(
    database: Database, clock: FixedClock
) -> None:
    broken = Bell(failures=60)
    await schedule(database, a_timer())
    for _ in range(60):
        clock.advance(HOUR)
        with pytest.raises(RuntimeError):
            await timers.fire_next(database, {"bell": broken.ring})
    await schedule(database, Timer("bell", "other", "acme", clock.now(), {}))
    assert await fire_all(database, Bell()) == 1
    assert await rung(database) == ["other"]
