"""Sealing in pieces: whatever comes between, a state is what a recompute from counts gives."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np

from services.health.domain.detector.gpr import SegmentDay, seal_day
from services.health.domain.detector.state import DetectorState, SegmentState
from services.health.domain.profile.metrics import ACTIVE_USERS, EVENTS, Metric, MetricKind
from services.health.domain.usage.closing import StreamTime
from services.health.jobs.sealing import Sealer, seal_group
from services.health.storage.account import accounts
from services.health.storage.detector import detector, peers
from services.health.usecases.detector.planning import HISTORY_DAYS, plan_days
from services.health.usecases.detector.sealing import seal_piece
from services.health.usecases.profile.profiles import PROFILES
from shared.db.transaction import Database, Transaction
from shared.kernel.clock import FixedClock
from tests.builders.health import default_profile
from tests.builders.sealing import FIRST, GROUP, put_counts, seal_through, sealing
from tests.conftest import NOON, OpenDatabase

DAYS = 60
LAST = FIRST + timedelta(days=DAYS - 1)


def made_counts(number: int = 7, days: int = DAYS, seed: int = 5) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    levels = random.uniform(2, 30, number)
    return {f"a{n}": random.poisson(level, days) for n, level in enumerate(levels)}


async def rows(database: Database) -> dict[str, detector.Kept]:
    async with database.transaction() as tx:
        ids = await tx.fetch_all("SELECT account_id FROM accounts ORDER BY account_id")
        return dict(await detector.kept(tx, [row["account_id"] for row in ids]))


async def fill(database: Database, counts: dict[str, Any], **where: Any) -> None:
    async with database.transaction() as tx:
        await put_counts(tx, counts, **where)


async def test_states_are_those_of_the_formulas_on_the_whole_segment(health: Database) -> None:
    counts = made_counts()
    await fill(health, counts)
    await seal_through(health, LAST, piece=3)
    state, segment = DetectorState.fresh(7), SegmentState()
    for n, today in enumerate(np.array(list(counts.values()), dtype=np.float64).T):
        weekday = (FIRST + timedelta(days=n)).weekday()
        done = seal_day(state, segment, SegmentDay(today, weekday, alarm_at=2.0))
        state, segment = done.state, done.segment
    found = await rows(health)
    kept = [found[name].record(EVENTS).state.to_rows()[0] for name in counts]
    assert kept == state.to_rows()


async def test_sealing_day_by_day_in_small_pieces_gives_what_sealing_at_once_gives(
    health: Database, open_database: OpenDatabase
) -> None:
    await fill(health, made_counts())
    for n in range(40, DAYS):
        await seal_through(health, FIRST + timedelta(days=n), piece=2)
    slowly = await rows(health)
    async with health.transaction() as tx:
        await peers.forget(tx, GROUP)
        await tx.execute("DELETE FROM detector_states")
        await tx.execute("UPDATE accounts SET sealed_through = NULL")
    await seal_through(health, LAST)
    assert await rows(health) == slowly


async def test_a_pass_that_is_killed_goes_on_where_it_ended(health: Database) -> None:
    await fill(health, made_counts())
    work = sealing(LAST, piece=3)
    async with health.transaction() as tx:
        assert await plan_days(tx, work)
    async with health.transaction() as tx:
        assert await seal_piece(tx, work, "", wait=False) == "a2"
    async with health.engine.connect() as connection:  # the process dies before it commits
        tx = Transaction(connection, "health", work.caused_at)
        assert await seal_piece(tx, work, "a2", wait=False) == "a5"
    assert sorted(await rows(health)) == ["a0", "a1", "a2"]
    await seal_through(health, LAST, piece=3)
    pieces = await rows(health)
    assert {kept.day for kept in pieces.values()} == {LAST}
    async with health.transaction() as tx:
        said = await tx.fetch_value(
            "SELECT count(*) FROM outbox WHERE type LIKE '%usage_rolled_up%'"
        )
    assert said == 2 * len(pieces)


async def test_two_replicas_share_the_pieces_and_usage_of_other_pieces_does_not_wait(
    health: Database,
) -> None:
    await fill(health, made_counts())
    work = sealing(LAST, piece=4)
    async with health.transaction() as tx:
        await PROFILES.current(tx)  # shipped once, at the start
        await plan_days(tx, work)
    async with health.transaction() as one, health.transaction() as other:
        await seal_piece(one, work, "", wait=False)
        await seal_piece(other, work, "", wait=False)
        done = "SELECT count(*) FROM detector_states"
        assert [await one.fetch_value(done), await other.fetch_value(done)] == [4, 3]
        async with health.transaction() as usage:
            await usage.execute("SET LOCAL lock_timeout = '1s'")
            await usage.execute("INSERT INTO accounts VALUES ('new', 'smb', 'UTC', now())")
    assert len(await rows(health)) == 7


async def test_a_late_event_leaves_the_state_a_recompute_gives(health: Database) -> None:
    counts = made_counts()
    await fill(health, counts)
    await seal_through(health, LAST - timedelta(days=1))
    late = FIRST + timedelta(days=45)
    async with health.transaction() as tx:
        await tx.execute(
            "UPDATE usage_daily SET n = n + 9 WHERE account_id = 'a3' AND day = :day", day=late
        )
        await tx.execute("UPDATE accounts SET dirty_from = :d WHERE account_id = 'a3'", d=late)
    await seal_through(health, LAST, piece=2)
    before = await rows(health)
    async with health.transaction() as tx:
        await accounts.rejudge(tx, GROUP)
    await seal_through(health, LAST)
    assert await rows(health) == before
    assert before["a3"].recent != (await rows(health))["a2"].recent


async def factors(database: Database) -> dict[date, float]:
    async with database.transaction() as tx:
        days = await peers.days(tx, GROUP, (FIRST, LAST))
    return {one.day: one.g for one in days[EVENTS]}


async def come_in_late(
    database: Database, counts: dict[str, Any], day: date, accounts_: Sequence[str]
) -> None:
    """Fill a day of accounts that was sealed with nothing, as usage that comes in late does."""
    async with database.transaction() as tx:
        for account in accounts_:
            await tx.execute(
                "INSERT INTO usage_daily VALUES (:account, :day, 'report.exported', :n)",
                account=account,
                day=day,
                n=int(counts[account][(day - FIRST).days]),
            )
        await tx.execute(
            "UPDATE accounts SET dirty_from = :day WHERE account_id = ANY(:accounts)",
            accounts=list(accounts_),
            day=day,
        )


def without(counts: dict[str, Any], day: date, accounts_: Sequence[str]) -> dict[str, Any]:
    gone = np.arange(DAYS) == (day - FIRST).days
    return {name: np.where(gone & (name in accounts_), 0, daily) for name, daily in counts.items()}


async def test_days_of_a_whole_group_that_come_in_late_are_planned_again(
    health: Database,
) -> None:
    counts, outage = made_counts(), LAST - timedelta(days=5)
    await fill(health, without(counts, outage, list(counts)))
    await seal_through(health, LAST)
    assert (await factors(health))[outage] < 0.3
    await come_in_late(health, counts, outage, list(counts))
    filling = StreamTime(
        NOON, None, timedelta(hours=1), timedelta(hours=2), backfill_since=NOON - timedelta(hours=1)
    )
    await seal_group(health, dataclasses.replace(sealing(LAST), time=filling))
    assert (await factors(health))[outage] < 0.3
    await seal_through(health, LAST)
    late, factors_then = await rows(health), await factors(health)
    async with health.transaction() as tx:
        for table in ("detector_states", "peer_days", "peer_groups"):
            await tx.execute(f"DELETE FROM {table}")
        await tx.execute("UPDATE accounts SET sealed_through = NULL, dirty_from = NULL")
    await seal_through(health, LAST)
    assert (await rows(health), await factors(health)) == (late, factors_then)
    assert factors_then[outage] > 0.8


async def test_a_late_day_of_a_few_accounts_leaves_what_their_peers_did(health: Database) -> None:
    counts, day = made_counts(100), LAST - timedelta(days=5)
    few = ["a1", "a2", "a3", "a4", "a5", "a6"]
    await fill(health, without(counts, day, few))
    await seal_through(health, LAST)
    planned = await factors(health)
    await come_in_late(health, counts, day, few)
    await seal_through(health, LAST)
    assert await factors(health) == planned
    assert (await rows(health))["a1"].day == LAST


async def test_what_is_older_than_the_history_is_counted_and_not_judged(health: Database) -> None:
    old = FIRST - timedelta(days=9 * 365)
    await fill(health, {"old": [3]}, first=old)
    await fill(health, made_counts())
    await seal_through(health, LAST)
    found = await rows(health)
    assert found["old"].since == LAST - timedelta(days=HISTORY_DAYS - 1)
    await seal_through(health, LAST + timedelta(days=3))
    assert (await rows(health))["old"].since == LAST - timedelta(days=HISTORY_DAYS - 1)


async def test_an_account_that_moves_is_judged_again_with_its_new_peers(health: Database) -> None:
    await fill(health, made_counts())
    await seal_through(health, LAST)
    async with health.transaction() as tx:
        await accounts.upsert(tx, "a1", "enterprise", "UTC")
    moved = accounts.PeerGroup("enterprise", "UTC")
    await seal_through(health, LAST + timedelta(days=1), group=moved)
    assert (await rows(health))["a1"].day == LAST + timedelta(days=1)


async def test_a_metric_that_is_watched_from_now_on_is_judged_from_history(
    health: Database,
) -> None:
    await fill(health, made_counts())
    await seal_through(health, LAST)
    before = await rows(health)
    exports = Metric("exports", MetricKind.COUNT, ("report.exported",), watch=True)
    nothing = Metric("logins", MetricKind.COUNT, ("login",), watch=True)
    profile = dataclasses.replace(default_profile(), metrics=(exports, nothing))
    await seal_through(health, LAST, profile=profile)
    kept = (await rows(health))["a0"]
    assert kept.metrics == (EVENTS, ACTIVE_USERS, "exports", "logins")
    events, exported = kept.record(EVENTS), kept.record("exports")
    assert events.state.to_rows() == exported.state.to_rows()
    assert events.state.to_rows() == before["a0"].record(EVENTS).state.to_rows()
    assert kept.record("logins").seen[0] == 0


async def test_a_newcomer_is_judged_from_its_own_first_day(health: Database) -> None:
    await fill(health, made_counts())
    await seal_through(health, LAST - timedelta(days=5))
    await fill(health, {"late": [4] * 10}, first=date.fromordinal(LAST.toordinal() - 9))
    await seal_through(health, LAST)
    kept = (await rows(health))["late"]
    assert kept.record(EVENTS).state.age[0] == 10
    assert kept.since == LAST - timedelta(days=9)


async def test_a_group_that_cannot_be_sealed_keeps_no_other_from_its_turn(
    health: Database, clock: FixedClock
) -> None:
    large = accounts.PeerGroup("enterprise", "UTC")
    await fill(health, {"a": [4] * DAYS})
    await fill(health, {"b": [4] * DAYS}, group=large)
    clock.set(datetime.combine(LAST + timedelta(days=1), time(3), UTC))
    await Sealer().run(health)
    async with health.transaction() as tx:
        await tx.execute("UPDATE detector_states SET records = 'x' WHERE account_id = 'b'")
    clock.advance(timedelta(days=1))
    await Sealer().run(health)
    async with health.transaction() as tx:
        await tx.execute("DELETE FROM detector_states WHERE account_id = 'b'")
    assert {name: kept.day for name, kept in (await rows(health)).items()} == {
        "a": LAST + timedelta(days=1)
    }
