"""Ids by the block: exact whatever a replica remembers, whoever merges, and who is first."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from services.health.domain.usage.arrivals import keys_of
from services.health.domain.usage.known_ids import KnownIds
from services.health.jobs.upkeep import keep_usage_days, merge_usage_ids
from services.health.listeners import UsageStream, usage
from services.health.storage.usage import intake, usage_days, usage_ids
from services.health.storage.usage.intake import Waiting
from services.health.storage.usage.usage_ids import Claim, CountedMeanwhileError
from services.health.usecases.files.files import load_profile
from shared.db import inbox
from shared.db.transaction import Database, Transaction
from shared.kernel.clock import FixedClock
from tests.conftest import OpenDatabase
from tests.integration.health.test_usage_stream import GROUP, TOPIC, batch, counted, event, value

ONE_DAY = timedelta(days=1)
KEYS = keys_of("/shop", [str(number) for number in range(3_000)])


@pytest.fixture
async def health(open_database: OpenDatabase) -> Database:
    database = await open_database("health")
    async with database.transaction() as tx:
        await usage_days.move_on(tx)
    return database


async def claim(tx: Transaction, keys: Sequence[bytes], memory: KnownIds) -> Claim:
    day, decided = await usage_ids.decide(tx, keys, memory)
    return Claim(day, [key for key in keys if key not in decided.known], decided)


async def take(database: Database, keys: Sequence[bytes], memory: KnownIds) -> set[bytes]:
    """Count keys as a batch would; return those that were known."""
    async with database.transaction() as tx:
        mine = await claim(tx, keys, memory)
        block = await usage_ids.keep(tx, mine, memory)
    if block is not None:
        memory.learn_block(block)
    return mine.decided.known


async def merge(database: Database, *, most: int = 1_000_000) -> bool:
    async with database.transaction() as tx:
        return bool(await usage_ids.merge(tx, from_ids=1, most=most))


async def read_all(database: Database, memory: KnownIds) -> None:
    while (run := memory.next_to_read()) is not None:
        async with database.transaction() as tx:
            await usage_ids.read_run(tx, run, memory)


async def kept(database: Database) -> tuple[int, int]:
    """Return how many ids are kept, and how many different ones."""
    row: Any = await value(
        database, "SELECT ARRAY[count(*), count(DISTINCT key)] FROM usage_id_keys"
    )
    return row[0], row[1]


async def test_what_was_counted_is_known_to_who_counted_it_and_to_who_starts_anew(
    health: Database,
) -> None:
    memory = KnownIds()
    assert await take(health, KEYS[:500], memory) == set()
    assert await take(health, KEYS[:700], memory) == set(KEYS[:500])
    assert await take(health, KEYS[:900], KnownIds()) == set(KEYS[:700])
    assert await take(health, KEYS[:900], memory) == set(KEYS[:900])
    assert await kept(health) == (900, 900)


@pytest.mark.parametrize("reads", [True, False])
async def test_merged_ids_are_known_whether_they_were_read_or_not(
    health: Database, *, reads: bool
) -> None:
    memory, fresh = KnownIds(), KnownIds()
    for start in range(0, 2_000, 500):
        await take(health, KEYS[start : start + 500], memory)
    assert await merge(health, most=600)
    assert await merge(health)
    assert not await merge(health)
    assert await value(health, "SELECT count(*) FROM usage_id_blocks") == 0
    for each in (memory, fresh):
        assert await take(health, KEYS[:10], each) == set(KEYS[:10])
        if reads:
            await read_all(health, each)
            assert each.bytes_used > 0
        assert await take(health, KEYS[:2_000], each) == set(KEYS[:2_000])
    assert await take(health, KEYS[1_990:2_100], fresh) == set(KEYS[1_990:2_000])
    assert await take(health, KEYS[2_000:2_200], memory) == set(KEYS[2_000:2_100])
    assert await kept(health) == (2_200, 2_200)


async def test_a_run_beyond_the_memory_for_it_is_looked_up(health: Database) -> None:
    memory = KnownIds(most_bytes=8)
    await take(health, KEYS[:500], memory)
    await merge(health)
    assert await take(health, KEYS[:1], memory) == {KEYS[0]}
    await read_all(health, memory)
    assert (memory.bytes_used, memory.unread) == (0, {})
    assert await take(health, KEYS[:600], memory) == set(KEYS[:500])


async def test_a_stream_without_memory_for_runs_counts_exactly_once(health: Database) -> None:
    async with health.transaction() as tx:
        await inbox.start_position(tx, GROUP, TOPIC, {0: 0}, log_id="test")
    first = UsageStream(health, load_profile())
    await first.handle([batch(event("1"), event("2"))], GROUP)
    await merge(health)
    restarted = UsageStream(health, load_profile(), ids_mib=0)
    await restarted.handle([batch(event("2"), event("3"), start=2)], GROUP)
    assert await counted(health) == 3
    assert await kept(health) == (3, 3)


async def test_a_backlog_waits_for_a_week_of_ids_instead_of_looking_each_up(
    health: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with health.transaction() as tx:
        await inbox.start_position(tx, GROUP, TOPIC, {0: 0}, log_id="test")
    await UsageStream(health, load_profile()).handle([batch(event("1"), event("2"))], GROUP)
    await merge(health)
    monkeypatch.setattr(usage, "_MOST_LOOK_UPS", 1)
    monkeypatch.setattr(usage_ids, "_FIND", "SELECT 1 / 0")  # a look-up would fail
    restarted = UsageStream(health, load_profile())
    await restarted.handle([batch(event("3"), event("4"), start=2)], GROUP)
    assert await counted(health) == 4


async def test_who_is_second_counts_again_without_what_the_first_has(health: Database) -> None:
    one, two = KnownIds(), KnownIds()
    async with health.transaction() as late:
        mine = await claim(late, KEYS[:100], two)
        assert mine.decided.known == set()
        await take(health, KEYS[50:150], one)
        with pytest.raises(CountedMeanwhileError):
            await usage_ids.keep(late, mine, two)
        await late.connection.rollback()
    assert await take(health, KEYS[:100], two) == set(KEYS[50:100])
    assert await kept(health) == (150, 150)


async def test_who_is_second_with_other_ids_need_not_count_again(health: Database) -> None:
    one, two = KnownIds(), KnownIds()
    async with health.transaction() as late:
        mine = await claim(late, KEYS[:100], two)
        await take(health, KEYS[100:200], one)
        await merge(health)
        block = await usage_ids.keep(late, mine, two)
    assert block is not None
    two.learn_block(block)
    assert await take(health, KEYS[:200], two) == set(KEYS[:200])
    assert await kept(health) == (200, 200)


async def test_two_in_flight_in_one_replica_do_not_count_the_same(health: Database) -> None:
    memory = KnownIds()
    async with health.transaction() as late:
        mine = await claim(late, KEYS[:100], memory)
        await take(health, KEYS[:10], memory)
        with pytest.raises(CountedMeanwhileError):
            await usage_ids.keep(late, mine, memory)
        await late.connection.rollback()
    assert await take(health, KEYS[:100], memory) == set(KEYS[:10])


async def test_a_batch_that_was_rolled_back_left_nothing_behind(health: Database) -> None:
    memory = KnownIds()
    with suppress(ZeroDivisionError):
        async with health.transaction() as tx:
            await usage_ids.keep(tx, await claim(tx, KEYS[:100], memory), memory)
            raise ZeroDivisionError
    assert await take(health, KEYS[:100], memory) == set()
    assert await kept(health) == (100, 100)


async def test_a_commit_that_nobody_heard_of_is_found(health: Database) -> None:
    memory = KnownIds()
    async with health.transaction() as tx:
        await usage_ids.keep(tx, await claim(tx, KEYS[:100], memory), memory)
    assert await take(health, KEYS[:200], memory) == set(KEYS[:100])
    assert await kept(health) == (200, 200)


async def test_days_past_are_merged_known_for_their_window_and_then_forgotten(
    health: Database, clock: FixedClock
) -> None:
    memory = KnownIds()
    await take(health, KEYS[:100], memory)
    await merge_usage_ids(health)
    assert await value(health, "SELECT count(*) FROM usage_id_runs") == 0
    for _ in range(8):
        clock.advance(ONE_DAY)
        await keep_usage_days(health)
        assert await merge_usage_ids(health) == (clock.now().day == 3)
        assert await take(health, KEYS[:100], memory) == set(KEYS[:100])
        await read_all(health, memory)
    clock.advance(ONE_DAY)
    await keep_usage_days(health)
    assert await take(health, KEYS[:100], memory) == set()
    assert await value(health, "SELECT count(*) FROM usage_id_runs") == 0
    assert (await kept(health), memory.bytes_used) == ((100, 100), 0)


async def test_what_was_sent_again_with_its_account_waits_for_none_any_more(
    health: Database, clock: FixedClock
) -> None:
    """Attributed once its id is forgotten, it would count a second time."""
    waiting = [Waiting(source, one, None, {}) for source, one in (("/shop", "1"), ("/other", "1"))]
    async with health.transaction() as tx:
        await intake.add_unattributed(tx, waiting)
    await take(health, KEYS[:3], KnownIds())
    clock.advance(ONE_DAY)
    await keep_usage_days(health)
    assert await merge_usage_ids(health)
    assert await value(health, "SELECT string_agg(source, ',') FROM unattributed") == "/other"


async def test_replicas_that_count_the_same_at_once_while_blocks_are_merged_count_it_once(
    health: Database,
) -> None:
    async with health.transaction() as tx:
        await inbox.start_position(tx, GROUP, TOPIC, dict.fromkeys(range(4), 0), log_id="test")

    async def work_off(partition: int) -> None:
        stream = UsageStream(health, load_profile())
        for start in range(0, 400, 40):
            numbers = range(start, start + 40)
            one = batch(*[event(str(number)) for number in numbers], start=start)
            for record in one.records:
                record.partition = partition
            await stream.handle([type(one)(TOPIC, partition, start, one.records)], GROUP)
            await merge(health)

    await asyncio.gather(*[work_off(partition) for partition in range(4)])
    assert await counted(health) == 400
    assert await kept(health) == (400, 400)
