"""Plumbing rows go when they are past their use, some at a time."""

from datetime import timedelta

from shared.db import dead_letters
from shared.db.dead_letters import DeadLetter
from shared.db.jobs import forget_old_rows
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock

COPIES = (
    "INSERT INTO dead_letters (topic, partition, record_offset, headers, code, reason, created_at) "
    "SELECT topic, partition, n, headers, code, reason, created_at FROM dead_letters, "
    "generate_series(1, 5000) AS n"
)


async def test_dead_letters_are_kept_for_ninety_days(database: Database, clock: FixedClock) -> None:
    letter = DeadLetter("tenure.usage", 0, 0, None, b"{", {}, "defect", "it fell over")
    async with database.transaction() as tx:
        await dead_letters.save(tx, letter)
        await tx.execute(COPIES)
    clock.advance(timedelta(days=60))
    async with database.transaction() as tx:
        await dead_letters.save(tx, letter)
    assert not await forget_old_rows(database)
    clock.advance(timedelta(days=31))
    assert await forget_old_rows(database)
    assert not await forget_old_rows(database)
    async with database.transaction() as tx:
        assert await tx.fetch_value("SELECT count(*) FROM dead_letters") == 1
