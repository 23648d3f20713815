"""Usage counts exactly once, whatever happens to the batch that carries it."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.health.jobs.sealing import Sealer
from services.health.jobs.upkeep import refresh_scores
from services.health.listeners import UsageStream
from services.health.storage.account import accounts
from services.health.storage.detector import detector
from services.health.usecases.files.files import load_profile
from shared.bus.batches import Batch
from shared.db import inbox
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tests.conftest import NOON, OpenDatabase

GROUP, TOPIC = "tenure.health.usage", "tenure.usage"


@dataclass
class FakeRecord:
    value: bytes
    offset: int
    topic: str = TOPIC
    partition: int = 0
    key: bytes | None = None
    timestamp: int = int(NOON.timestamp() * 1000)
    headers: list[tuple[str, bytes]] = field(default_factory=list)


def event(event_id: str, account: str = "acme", **changes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/shop",
        "type": "report.exported",
        "subject": account,
        "time": "2026-03-02T11:00:00Z",
        "data": {"user_id": "u1"},
        **changes,
    }


def batch(*values: Any, start: int = 0) -> Batch:
    records = [
        FakeRecord(v if isinstance(v, bytes) else json.dumps(v).encode(), start + n)
        for n, v in enumerate(values)
    ]
    return Batch(TOPIC, 0, start, records)


def on_time(given: Batch) -> Batch:
    """Have each record come in at the time of its first event."""
    for record in given.records:
        events = json.loads(record.value or b"")
        first = events[0] if isinstance(events, list) else events
        record.timestamp = int(datetime.fromisoformat(first["time"]).timestamp() * 1000)
    return given


@pytest.fixture
async def health(open_database: OpenDatabase) -> Database:
    database = await open_database("health")
    async with database.transaction() as tx:
        await inbox.start_position(tx, GROUP, TOPIC, {0: 0}, log_id="test")
    return database


@pytest.fixture
def stream(health: Database) -> UsageStream:
    return UsageStream(health, load_profile())


async def value(database: Database, sql: str, **params: Any) -> Any:
    async with database.transaction() as tx:
        return await tx.fetch_value(sql, **params)


async def counted(database: Database) -> int:
    return int(await value(database, "SELECT coalesce(sum(n), 0) FROM usage_daily"))


async def test_an_event_sent_three_times_counts_once(health: Database, stream: UsageStream) -> None:
    await stream.handle([batch(event("1"), [event("1"), event("2")])], GROUP)
    await stream.handle([batch(event("1"), start=2)], GROUP)
    assert await counted(health) == 2


async def test_the_same_id_of_another_source_is_another_event(
    health: Database, stream: UsageStream
) -> None:
    await stream.handle([batch(event("1"), event("1", source="/other"))], GROUP)
    assert await counted(health) == 2


async def test_a_batch_that_comes_too_late_changes_nothing(
    health: Database, stream: UsageStream
) -> None:
    await stream.handle([batch(event("1"))], GROUP)
    with pytest.raises(inbox.Fenced):
        await stream.handle([batch(event("2"))], GROUP)
    assert await counted(health) == 1


async def test_an_event_sent_again_a_week_later_counts_once(
    health: Database, stream: UsageStream, clock: FixedClock
) -> None:
    await stream.handle([batch(event("1"))], GROUP)
    clock.advance(timedelta(days=7))
    again = batch(event("1"), start=1)
    again.records[0].timestamp = int(clock.now().timestamp() * 1000)
    await stream.handle([again], GROUP)
    assert await counted(health) == 1


async def test_poison_is_set_aside_as_it_is_and_the_rest_counts(
    health: Database, stream: UsageStream
) -> None:
    await stream.handle([batch(b"\x00\xffnot json", event("1"))], GROUP)
    assert await counted(health) == 1
    assert await value(health, "SELECT value FROM dead_letters") == b"\x00\xffnot json"


async def test_events_that_break_the_contract_become_rejections(
    health: Database, stream: UsageStream
) -> None:
    bad = [event("1", subject=""), event("2", specversion="0.3"), event("3", time="noon"), 5]
    await stream.handle([batch(bad, event("4"))], GROUP)
    assert await counted(health) == 1
    assert await value(health, "SELECT count(*) FROM rejections") == 4


async def test_three_users_of_the_first_value_event_reach_the_milestone_once(
    health: Database, stream: UsageStream
) -> None:
    users = [event(str(n), data={"user_id": f"u{n}"}) for n in range(5)]
    await stream.handle([batch(*users[:2])], GROUP)
    await stream.handle([batch(*users[2:], start=2)], GROUP)
    types = await value(health, "SELECT array_agg(type) FROM outbox WHERE type LIKE '%milestone%'")
    assert types == ["io.tenure.health.usage_milestone_reached.v1"]


async def test_a_drop_against_the_own_normal_opens_one_risk_with_its_reason(
    health: Database, stream: UsageStream, clock: FixedClock
) -> None:
    start = NOON - timedelta(days=70)
    for day in range(70):
        at = start + timedelta(days=day)
        daily = 40 if day < 60 else 6
        events = [
            event(f"{day}-{n}", time=at.isoformat(), data={"user_id": f"u{n % 5}"})
            for n in range(daily)
        ]
        clock.set(max(clock.now(), at))
        await stream.handle([on_time(batch(events, start=day))], GROUP)
    await Sealer().run(health)
    await refresh_scores(health)
    risk = await value(health, "SELECT risk FROM risks WHERE reason = 'usage_drop'")
    assert risk["status"] == "open"
    assert "of what is normal for this account" in risk["explanation"]
    opened = await value(
        health,
        "SELECT count(*) FROM outbox WHERE type = 'io.tenure.health.risk_opened.v1' "
        "AND payload->'data'->>'reason' = 'usage_drop'",
    )
    assert opened == 1


async def test_half_a_history_raises_no_alarm_while_the_rest_is_on_its_way(
    health: Database, stream: UsageStream, clock: FixedClock
) -> None:
    def past(first: int, last: int) -> list[dict[str, Any]]:
        return [
            event(
                f"{day}-{n}",
                "newcomer",
                time=(NOON - timedelta(days=day)).isoformat(),
                backfill=True,
                data={"user_id": f"u{n}"},
            )
            for day in range(first, last, -1)
            for n in range(30)
        ]

    live = [event(f"live{n}", time=(NOON - timedelta(days=60 - n)).isoformat()) for n in range(60)]
    await stream.handle([on_time(batch(*live))], GROUP)
    sealer = Sealer()
    await sealer.run(health)
    await stream.handle([batch(past(70, 25), start=60)], GROUP)
    await sealer.run(health)
    sealed = "SELECT sealed_through FROM accounts WHERE account_id = 'newcomer'"
    assert await value(health, sealed) is None
    clock.advance(timedelta(seconds=1))
    await stream.handle([batch(past(25, 0), start=61)], GROUP)
    clock.advance(timedelta(seconds=4))
    await sealer.run(health)
    assert await value(health, sealed) == (NOON - timedelta(days=2)).date()
    assert await value(health, "SELECT count(*) FROM risks WHERE account_id = 'newcomer'") == 0


async def test_an_event_for_a_sealed_day_seals_it_again(
    health: Database, stream: UsageStream, clock: FixedClock
) -> None:
    days = [event(f"d{n}", time=(NOON - timedelta(days=30 - n)).isoformat()) for n in range(30)]
    await stream.handle([on_time(batch(*days))], GROUP)
    sealer = Sealer()
    await sealer.run(health)
    late = event("late", time=(NOON - timedelta(days=10)).isoformat())
    await stream.handle([batch(late, start=30)], GROUP)
    clock.advance(timedelta(seconds=5))  # more of the past may be on its way
    await sealer.run(health)
    async with health.transaction() as tx:
        row = (await detector.kept(tx, ["acme"]))["acme"]
    days_back = (row.day - (NOON - timedelta(days=10)).date()).days
    assert detector.unpack([row], row.metrics).recent[0, -1 - days_back] == 2


async def test_a_group_that_is_ahead_closes_no_days_of_another(
    health: Database, stream: UsageStream
) -> None:
    async with health.transaction() as tx:
        for account, segment in (("ahead", "mid"), ("behind", "smb")):
            await accounts.upsert(tx, account, segment, "UTC")
    last_week = (NOON - timedelta(days=7)).isoformat()
    await stream.handle([batch(event("1", "ahead"), event("2", "behind", time=last_week))], GROUP)
    await Sealer().run(health)
    sealed = await value(health, "SELECT max(day) FROM detector_states WHERE account_id = 'behind'")
    assert sealed is None


async def test_an_alert_is_timed_from_the_first_event_past_the_days_end(
    health: Database, stream: UsageStream
) -> None:
    first, later = FakeRecord(json.dumps(event("1")).encode(), 0), event("2")
    await stream.handle([Batch(TOPIC, 0, 0, [first])], GROUP)
    second = FakeRecord(
        json.dumps({**later, "time": "2026-03-02T11:30:00Z"}).encode(),
        1,
        timestamp=first.timestamp + 5_000,
    )
    await stream.handle([Batch(TOPIC, 0, 1, [second])], GROUP)
    row = await value(health, "SELECT received_at FROM watermarks")
    assert int(row.timestamp() * 1000) == first.timestamp


async def test_a_new_account_with_a_past_is_sealed_without_waiting_for_the_next_minute(
    health: Database, stream: UsageStream
) -> None:
    sealer = Sealer()
    async with health.transaction() as tx:
        await accounts.upsert(tx, "acme", "smb", "UTC")
    await stream.handle([batch(event("now"))], GROUP)
    await sealer.run(health)
    await sealer.run(health)
    past = [
        event("old", "globex", time=(NOON - timedelta(days=5)).isoformat()),
        event("p", "globex"),
    ]
    async with health.transaction() as tx:
        await accounts.upsert(tx, "globex", "smb", "UTC")
    await stream.handle([batch(past, start=1)], GROUP)
    await sealer.run(health)
    sealed = await value(health, "SELECT sealed_through FROM accounts WHERE account_id = 'globex'")
    assert sealed == (NOON - timedelta(days=1)).date()
