"""Exact across midnight, restarts and clocks that disagree; raw events prove the counts."""

import asyncio
import json
from datetime import date, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from services.health.jobs.upkeep import keep_usage_days
from services.health.listeners import UsageStream
from services.health.storage.account import accounts
from services.health.storage.usage import raw, usage_days
from services.health.storage.usage.raw import RawEvent
from services.health.usecases.files.files import load_profile
from services.health.usecases.usage.verifying import Difference, verify_usage
from shared.db import inbox
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tenure.cli.app import app
from tests.conftest import NOON
from tests.integration.health.test_usage_stream import (
    GROUP,
    TOPIC,
    batch,
    counted,
    event,
    health,
    stream,
    value,
)

__all__ = ["health", "stream"]

ONE_DAY = timedelta(days=1)
TODAY = NOON.date()


def at(database: Database, clock: FixedClock) -> Database:
    """Return the same database as a replica with another clock sees it."""
    return Database(database.engine, service="health", clock=clock)


async def all_raw(database: Database, *account_ids: str) -> list[RawEvent]:
    async with database.transaction() as tx:
        found = raw.read(tx, date.min, date.max, account_ids or None)
        return [each async for each in found]


async def partitions(database: Database, table: str) -> list[str]:
    found: list[str] = await value(
        database,
        "SELECT array_agg(right(c.relname, 8) ORDER BY 1) FROM pg_inherits i "
        "JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = CAST(:t AS text)::regclass",
        t=table,
    )
    return found


async def test_an_event_sent_again_on_the_next_day_counts_once_after_a_restart(
    health: Database, stream: UsageStream, clock: FixedClock
) -> None:
    await stream.handle([batch(event("1"), event("2"))], GROUP)
    clock.advance(ONE_DAY)
    restarted = UsageStream(health, load_profile())
    await restarted.handle([batch(event("1"), event("3"), start=2)], GROUP)
    assert await counted(health) == 3


@pytest.mark.parametrize("ahead", [ONE_DAY, -ONE_DAY, -5 * ONE_DAY])
async def test_replicas_whose_clocks_disagree_count_an_event_once(
    health: Database, stream: UsageStream, ahead: timedelta
) -> None:
    other = UsageStream(at(health, FixedClock(NOON + ahead)), load_profile())
    await stream.handle([batch(event("1"))], GROUP)
    await other.handle([batch(event("1"), event("2"), start=1)], GROUP)
    await stream.handle([batch(event("2"), event("3"), start=3)], GROUP)
    assert await counted(health) == 3
    assert await value(health, "SELECT count(*) FROM usage_id_keys") == 3


async def test_the_day_moves_on_only_when_nobody_counts_on_it(
    health: Database, clock: FixedClock
) -> None:
    async with health.transaction() as tx:
        await usage_days.move_on(tx)

    async def move_on() -> date:
        async with at(health, FixedClock(NOON + ONE_DAY)).transaction() as tx:
            return await usage_days.move_on(tx)

    async with health.transaction() as counting:
        assert await usage_days.hold(counting) == TODAY
        moving = asyncio.create_task(move_on())
        await asyncio.sleep(0.3)
        assert not moving.done()
    assert await moving == TODAY + ONE_DAY


async def test_two_replicas_that_get_an_event_at_once_count_it_once(health: Database) -> None:
    async with health.transaction() as tx:
        await inbox.start_position(tx, GROUP, TOPIC, {1: 0}, log_id="test")
    one, two = (UsageStream(health, load_profile()) for _ in range(2))
    same = [event(str(number)) for number in range(200)]
    first, second = batch(*same), batch(*same)
    for record in second.records:
        record.partition = 1
    moved = type(second)(TOPIC, 1, 0, second.records)
    await asyncio.gather(one.handle([first], GROUP), two.handle([moved], GROUP))
    assert await counted(health) == 200
    assert len(await all_raw(health)) == 200


async def test_days_are_made_ahead_and_dropped_past_their_window_without_any_usage(
    health: Database, stream: UsageStream, clock: FixedClock
) -> None:
    await stream.handle([batch(event("1"))], GROUP)
    await keep_usage_days(health)
    days = ["20260302", "20260303", "20260304"]
    assert await partitions(health, "usage_ids") == days
    assert await partitions(health, "usage_raw") == days
    clock.advance(8 * ONE_DAY)
    await keep_usage_days(health)
    assert "20260302" in await partitions(health, "usage_ids")
    clock.advance(ONE_DAY)
    await keep_usage_days(health)
    assert "20260302" not in await partitions(health, "usage_ids")
    assert len(await all_raw(health)) == 1
    clock.advance(6 * ONE_DAY)
    await keep_usage_days(health)
    assert "20260302" not in await partitions(health, "usage_raw")
    assert await all_raw(health) == []
    async with health.transaction() as tx:
        assert await raw.complete_since(tx) == TODAY + 3 * ONE_DAY


async def test_raw_events_are_those_that_counted_as_they_came(
    health: Database, stream: UsageStream
) -> None:
    async with health.transaction() as tx:
        await accounts.upsert(tx, "acme", "smb", "Pacific/Auckland")
    plain = event("1", data={"user_id": "ann", "properties": {"seats": 5, "x": [1, {"y": None}]}})
    odd = event("2", "globex", time="2026-03-02T23:30:00+14:00", data={})
    ahead = event("3", "globex", time="2027-01-01T00:00:00Z")
    await stream.handle([batch([plain, event("0", subject="")], [plain, odd], ahead)], GROUP)
    found = {each.id: each for each in await all_raw(health)}
    assert set(found) == {"1", "2", "3"}
    assert found["1"][:3] == ("acme", "report.exported", "ann")
    assert found["1"].day == TODAY + ONE_DAY  # 11:00 UTC is past midnight in Auckland
    assert json.loads(found["1"].properties) == plain["data"]["properties"]
    assert (found["2"].user_id, found["2"].day) == (None, TODAY)
    assert (found["3"].time, found["3"].source) == (NOON, "/shop")
    assert [each.id for each in await all_raw(health, "acme")] == ["1"]
    async with health.transaction() as tx:
        later = [each.id async for each in raw.read(tx, TODAY + ONE_DAY, TODAY + ONE_DAY)]
    assert later == ["1"]


async def test_without_raw_days_nothing_raw_is_kept_and_nothing_is_claimed_of_it(
    health: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await UsageStream(health, load_profile(), raw_days=0).handle([batch(event("1"))], GROUP)
    monkeypatch.setenv("TENURE_USAGE_RAW_DAYS", "0")
    await keep_usage_days(health)
    assert await counted(health) == 1
    assert await all_raw(health) == []
    async with health.transaction() as tx:
        assert await raw.complete_since(tx) > TODAY


async def test_sums_of_properties_are_kept_from_when_they_are_wanted(health: Database) -> None:
    wanted: dict[str, frozenset[str]] = {}
    stream = UsageStream(health, load_profile(), sums=lambda: wanted)

    def sale(event_id: str, amount: Any) -> dict[str, Any]:
        return event(event_id, data={"user_id": "ann", "properties": {"amount": amount}})

    await stream.handle([batch(sale("1", 100))], GROUP)
    wanted["report.exported"] = frozenset({"amount"})
    await stream.handle([batch(sale("2", 2.5), sale("3", "4"), sale("2", 2.5), start=1)], GROUP)
    await stream.handle([batch([sale("2", 2.5), sale("4", 4), event("5")], start=4)], GROUP)
    row = "SELECT array[total, n] FROM usage_sums WHERE account_id = 'acme' AND property = 'amount'"
    assert await value(health, row) == [6.5, 2]


async def test_a_late_event_seals_again_from_the_day_it_belongs_to(
    health: Database, stream: UsageStream
) -> None:
    async with health.transaction() as tx:
        await accounts.upsert(tx, "acme", "smb", "Asia/Tokyo")
    await stream.handle([batch(event("1"))], GROUP)
    async with health.transaction() as tx:
        await accounts.mark_sealed(tx, ["acme"], TODAY - ONE_DAY, NOON)
    late = [event("2", time="2026-02-25T16:00:00Z"), event("3", time="2026-02-27T00:00:00Z")]
    await stream.handle([batch(event("4"), start=1)], GROUP)
    assert await value(health, "SELECT dirty_from FROM accounts") is None
    await stream.handle([batch(late, start=2)], GROUP)
    # 16:00 UTC on the 25th is the 26th in Tokyo.
    assert await value(health, "SELECT dirty_from FROM accounts") == date(2026, 2, 26)


async def test_past_usage_moves_no_watermark_and_marks_its_account(
    health: Database, stream: UsageStream
) -> None:
    await stream.handle([batch(event("1", time="2026-03-01T11:00:00Z"))], GROUP)
    await stream.handle([batch([event("2", "globex", backfill=True)], start=1)], GROUP)
    latest = "SELECT max(event_time) FROM watermarks"
    assert (await value(health, latest)).date() == date(2026, 3, 1)
    filled = "SELECT backfilled_at FROM accounts WHERE account_id = 'globex'"
    assert await value(health, filled) == NOON


async def verified(database: Database, **options: Any) -> list[Difference]:
    async with database.transaction() as tx:
        return (await verify_usage(tx, **options)).differences


async def test_counts_are_proven_by_the_raw_events_and_a_wrong_one_is_named(
    health: Database, stream: UsageStream, clock: FixedClock
) -> None:
    users = [event(str(n), data={"user_id": f"u{n % 3}"}) for n in range(9)]
    await stream.handle([batch(users, event("x", "globex"), users[:4])], GROUP)
    clock.advance(ONE_DAY)
    await stream.handle([batch(event("y", "globex"), event("3"), start=3)], GROUP)
    assert await verified(health) == []
    async with health.transaction() as tx:
        await tx.execute("UPDATE usage_daily SET n = n + 1 WHERE account_id = 'globex'")
        await tx.execute("DELETE FROM usage_users WHERE user_id = 'u1' AND account_id = 'acme'")
        await tx.execute("DELETE FROM usage_id_blocks WHERE day = :day", day=clock.now().date())
    assert await verified(health) == [
        Difference("usage_daily", "globex", TODAY, "report.exported", 3, 2),
        Difference("usage_users", "acme", TODAY, "u1", 0, 3),
        Difference("usage_ids", "", TODAY + ONE_DAY, "", 0, 1),
    ]
    only = await verified(health, account_id="acme")
    assert [each.what for each in only] == ["u1"]
    assert [each.table for each in await verified(health, since=TODAY + ONE_DAY)] == ["usage_ids"]


async def test_the_command_says_equal_different_or_impossible_by_its_exit_code(
    health: Database, stream: UsageStream, database_url: str
) -> None:
    async def run(*options: str) -> Any:
        words = ["usage", "verify", "--json", *options]
        return await asyncio.to_thread(CliRunner().invoke, app, words)

    await stream.handle([batch(event("1"))], GROUP)
    equal = await run("--database", database_url)
    assert equal.exit_code == 0, equal.output
    assert json.loads(equal.stdout)["events"] == 1
    async with health.transaction() as tx:
        await tx.execute("UPDATE usage_daily SET n = 7")
    different = await run("--database", database_url)
    assert different.exit_code == 1
    (row,) = json.loads(different.stdout)["differences"]
    assert (row["kept"], row["raw"], row["account_id"]) == (7, 1, "acme")
    nobody = await run("--database", database_url, "--account", "acmee")
    assert (nobody.exit_code, json.loads(nobody.stdout)["code"]) == (2, "account_unknown")
    nowhere = await run("--database", "postgresql://nobody@127.0.0.1:9/nothing")
    problem = json.loads(nowhere.stdout)
    assert (nowhere.exit_code, problem["exit_code"]) == (2, 2)
    assert "the database does not answer" in problem["detail"]
