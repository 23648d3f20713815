"""What people decide about monitoring is obeyed, at once and when the past is judged again."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import httpx
import numpy as np
import pytest

from services.health.domain.profile.book import ProfileBook
from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Profile
from services.health.jobs.sealing import seal_group
from services.health.jobs.upkeep import refresh_scores
from services.health.storage.account import accounts
from services.health.storage.account.accounts import PeerGroup
from services.health.storage.detector import alarms
from services.health.usecases.detector.calibrating import calibrate_when_due
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tests.builders.health import default_document, default_profile
from tests.builders.sealing import FIRST, GROUP, put_counts, seal_through, sealing
from tests.conftest import OpenClient, OpenDatabase

DAYS = 80
LAST = FIRST + timedelta(days=DAYS - 1)
BECAUSE = {"reason": "a project has ended"}


def steady(level: int = 20, days: int = DAYS) -> Any:
    return np.full(days, level)


def dropped(to: int = 4, at: int = 60, level: int = 20) -> Any:
    counts = steady(level)
    counts[at:] = to
    return counts


@pytest.fixture
async def health(open_database: OpenDatabase, clock: FixedClock) -> Database:
    clock.set(datetime(2025, 11, 20, 3, tzinfo=UTC))
    return await open_database("health")


@pytest.fixture
async def api(open_client: OpenClient) -> httpx.AsyncClient:
    return await open_client("health", ["health:read", "health:write"])


async def fill(database: Database, **counts: Any) -> None:
    peers = {f"peer{n}": steady() for n in range(6)}
    async with database.transaction() as tx:
        await put_counts(tx, {**peers, **counts})


async def status(database: Database, account: str = "acme", reason: str = "usage_drop") -> Any:
    async with database.transaction() as tx:
        return await tx.fetch_value(
            "SELECT status FROM risks WHERE account_id = :account AND reason = :reason "
            "ORDER BY id DESC",
            account=account,
            reason=reason,
        )


async def monitoring(api: httpx.AsyncClient, account: str = "acme") -> Any:
    answer = await api.get(f"/api/v1/accounts/{account}/monitoring")
    assert answer.status_code == 200
    return answer.json()


async def test_a_drop_names_the_threshold_it_was_found_with(health: Database) -> None:
    await fill(health, acme=dropped())
    await seal_through(health, LAST)
    async with health.transaction() as tx:
        risk = await tx.fetch_value("SELECT risk FROM risks WHERE reason = 'usage_drop'")
    assert risk["evidence"]["threshold"] == 0.8
    assert risk["evidence"]["threshold_version"] == 0
    # Whoever has dropped is no peer of its own: the others are as busy as ever.
    assert "similar customers are at 9" in risk["explanation"]


async def test_a_fall_of_all_usage_is_told_once_and_names_the_active_users(
    health: Database,
) -> None:
    await fill(health, acme=dropped(0))
    await seal_through(health, LAST - timedelta(days=10))
    assert await status(health, reason="active_users_drop") is None
    async with health.transaction() as tx:
        risk = await tx.fetch_value("SELECT risk FROM risks WHERE reason = 'usage_drop'")
    assert risk["evidence"]["active_users_ratio"] < 0.6


async def test_fewer_users_with_as_many_events_are_a_reason_of_their_own(health: Database) -> None:
    await fill(health, acme=steady())
    async with health.transaction() as tx:
        await tx.execute(
            "INSERT INTO usage_users SELECT 'acme', CAST(:first AS date) + d, 'v' || u, 1 "
            "FROM generate_series(0, 59) AS d, generate_series(1, 10) AS u",
            first=FIRST,
        )
    await seal_through(health, LAST)
    assert await status(health, reason="usage_drop") is None
    async with health.transaction() as tx:
        risk = await tx.fetch_value("SELECT risk FROM risks WHERE reason = 'active_users_drop'")
    assert risk["status"] == "open"
    assert risk["explanation"].startswith("Active users at ")


async def test_an_accepted_new_normal_ends_the_drop_and_stays_so(
    health: Database, api: httpx.AsyncClient
) -> None:
    await fill(health, acme=dropped())
    await seal_through(health, LAST)
    assert await status(health) == "open"
    answer = await api.post("/api/v1/accounts/acme/monitoring/new-normal", json=BECAUSE)
    assert answer.status_code == 201
    await seal_through(health, LAST)
    assert await status(health) == "recovered"
    (risk,) = (await api.get("/api/v1/risks", params={"status": "recovered"})).json()["data"]
    assert risk["explanation"] == "Usage as it is now was accepted as normal."
    shown = await monitoring(api)
    assert shown["metrics"][0]["ratio"] == 1.0
    assert shown["decisions"][0]["decided_by"] == "test-backend"
    async with health.transaction() as tx:
        await accounts.rejudge(tx, GROUP)
    await seal_through(health, LAST)
    assert (await monitoring(api))["metrics"] == shown["metrics"]


async def test_a_dip_is_not_over_while_usage_stays_where_it_fell(health: Database) -> None:
    await fill(health, stays=dropped(12), returns=np.where(np.arange(DAYS) // 7 == 9, 9, 20))
    for day in (66, 69, 76):
        await seal_through(health, FIRST + timedelta(days=day))
        assert await status(health, "stays", "usage_dip_week_over_week") in {"open", "merged"}
    await seal_through(health, LAST)
    assert await status(health, "returns", "usage_dip_week_over_week") == "recovered"


async def test_a_suspended_account_is_not_judged_until_it_is_resumed(
    health: Database, api: httpx.AsyncClient
) -> None:
    await fill(health, acme=dropped())
    await seal_through(health, LAST - timedelta(days=5))
    assert await status(health) == "open"
    await api.post("/api/v1/accounts/acme/monitoring/suspend", json=BECAUSE)
    await seal_through(health, LAST - timedelta(days=4))
    assert await status(health) == "recovered"
    assert (await monitoring(api))["metrics"][0]["state"] == "suspended"
    answer = await api.post("/api/v1/accounts/acme/monitoring/resume")
    assert answer.json() == {"suspended_through": str(LAST - timedelta(days=4))}
    await seal_through(health, LAST)
    assert (await monitoring(api))["metrics"][0]["state"] == "monitored"
    again = await api.post("/api/v1/accounts/acme/monitoring/resume")
    assert (again.status_code, again.json()["code"]) == (409, "not_suspended")


async def test_a_gap_that_was_a_mistake_leaves_nothing_quiet(
    health: Database, api: httpx.AsyncClient
) -> None:
    await fill(health, acme=dropped())
    await seal_through(health, LAST)
    assert await status(health) == "open"
    days = {"from_day": str(LAST - timedelta(days=19)), "until_day": str(LAST)}
    path = "/api/v1/accounts/acme/monitoring"
    made = await api.post(f"{path}/known-gaps", json={**BECAUSE, **days})
    await seal_through(health, LAST)
    assert await status(health) == "recovered"
    await api.delete(f"{path}/decisions/{made.json()['id']}")
    await seal_through(health, LAST)
    assert await status(health) == "open"


async def test_figures_of_a_suspended_account_stay_those_of_its_last_judged_day_and_age(
    health: Database, api: httpx.AsyncClient, clock: FixedClock
) -> None:
    await fill(health, acme=dropped(0, at=70))
    await seal_through(health, FIRST + timedelta(days=69))
    from_day = FIRST + timedelta(days=70)
    migration = {"reason": "migration", "from_day": str(from_day)}
    await api.post("/api/v1/accounts/acme/monitoring/suspend", json=migration)
    await seal_through(health, LAST)
    clock.set(datetime.combine(LAST + timedelta(days=1), time(3), UTC))
    await refresh_scores(health)
    day, words = str(from_day - timedelta(days=1)), f"not watched since {from_day} (migration)"
    shown = (await monitoring(api))["metrics"][0]
    assert (shown["day"], shown["in_words"]) == (day, f"suspended: {words}")
    judged = (await api.get("/api/v1/accounts/acme/health")).json()["monitoring"]
    assert {one["day"] for one in judged} == {day}
    explained = (await api.get("/api/v1/accounts/acme/health/explain")).json()
    (usage,) = [line for line in explained["lines"] if line["metric"] == "usage_ratio"]
    assert usage["age_days"] == pytest.approx(10, abs=0.2)
    assert f"on {day} alone 20 events" in usage["sentence"]
    assert f"{words}, 10 days old" in usage["sentence"]


async def test_a_known_gap_in_the_past_is_judged_as_if_it_had_been_known(
    health: Database, api: httpx.AsyncClient
) -> None:
    counts = steady()
    counts[60:75] = 0
    await fill(health, acme=counts)
    await seal_through(health, LAST - timedelta(days=5))
    assert await status(health) == "merged"  # silence tells the story
    gap = {
        "from_day": str(FIRST + timedelta(days=60)),
        "until_day": str(FIRST + timedelta(days=74)),
        "reason": "a strike",
    }
    answer = await api.post("/api/v1/accounts/acme/monitoring/known-gaps", json=gap)
    await seal_through(health, LAST - timedelta(days=5))
    assert await status(health, reason="silence") == "recovered"
    assert await status(health) == "suspected"  # it was never told by itself
    await seal_through(health, LAST)
    assert await status(health) == "suspected"
    assert (await monitoring(api))["metrics"][0]["ratio"] == pytest.approx(1, abs=0.02)
    decision = f"/api/v1/accounts/acme/monitoring/decisions/{answer.json()['id']}"
    assert (await api.delete(decision)).status_code == 204
    assert (await api.delete(decision)).status_code == 404
    await seal_through(health, LAST)
    assert (await monitoring(api))["metrics"][0]["ratio"] < 0.95


async def test_a_known_gap_of_a_segment_holds_for_all_its_accounts(
    health: Database, api: httpx.AsyncClient
) -> None:
    outage = {f"peer{n}": np.r_[steady(20, 70), steady(0, 10)] for n in range(6)}
    async with health.transaction() as tx:
        await put_counts(tx, outage)
    gap = {
        "segment": GROUP.segment,
        "from_day": str(FIRST + timedelta(days=70)),
        "until_day": str(LAST),
        "reason": "our own outage",
    }
    answer = await api.post("/api/v1/detector/known-gaps", json=gap)
    await seal_through(health, LAST)
    shown = (await monitoring(api, "peer1"))["metrics"][0]
    assert shown["state"] == "suspended"
    assert shown["in_words"].endswith(f"since {FIRST + timedelta(days=70)} (our own outage)")
    assert (await api.get("/api/v1/detector/segment-alarms")).json() == []
    (listed,) = (await api.get("/api/v1/detector/known-gaps")).json()
    assert (listed["id"], listed["reason"]) == (answer.json()["id"], "our own outage")
    await api.delete(f"/api/v1/detector/known-gaps/{listed['id']}")
    await seal_through(health, LAST)
    assert (await monitoring(api, "peer1"))["metrics"][0]["state"] == "monitored"


async def test_a_whole_segment_that_is_down_is_one_alarm_and_no_accounts_fault(
    health: Database, api: httpx.AsyncClient
) -> None:
    async with health.transaction() as tx:
        await put_counts(tx, {f"peer{n}": dropped(8, 65) for n in range(12)})
    for n in range(60, DAYS):
        await seal_through(health, FIRST + timedelta(days=n))
    (alarm,) = (await api.get("/api/v1/detector/segment-alarms")).json()
    assert (alarm["segment"], alarm["accounts"], alarm["recovered_on"]) == ("smb", 12, None)
    assert await status(health, "peer3") is None
    async with health.transaction() as tx:
        subject = await tx.fetch_value(
            "SELECT aggregateid FROM outbox WHERE type LIKE '%segment_usage_dropped%'"
        )
    assert subject == "segment:smb"
    assert (await monitoring(api, "peer3"))["segment_is_down"]


async def test_states_of_monitoring_are_told_in_words(
    health: Database, api: httpx.AsyncClient
) -> None:
    await fill(health, acme=steady(), quiet=np.arange(DAYS) % 3 == 0, young=steady(20, 30))
    async with health.transaction() as tx:
        await put_counts(tx, {"newcomer": steady(20, 30)}, first=LAST - timedelta(days=29))
    await seal_through(health, LAST)
    found = {name: (await monitoring(api, name))["metrics"][0] for name in ("acme", "quiet")}
    newcomer = (await monitoring(api, "newcomer"))["metrics"][0]
    assert found["acme"]["state"] == "monitored"
    assert found["quiet"]["state"] == "too_little_usage"
    assert newcomer["in_words"] == "warming up: 12 more days until drops can be told"
    counted = (await api.get("/api/v1/detector")).json()["accounts"]
    assert counted == {"monitored": 8, "too_little_usage": 1, "warming_up": 1}


async def test_with_too_little_usage_fewer_active_days_are_told(health: Database) -> None:
    counts = (np.arange(DAYS) % 2 == 0).astype(int)
    counts[54:] = 0
    counts[60] = 1
    await fill(health, acme=counts)
    await seal_through(health, LAST)
    assert await status(health, reason="usage_drop") is None
    assert await status(health, reason="active_days_drop") == "open"


async def test_thresholds_are_chosen_to_the_budget_once_there_is_enough_history(
    health: Database, api: httpx.AsyncClient, clock: FixedClock
) -> None:
    random = np.random.default_rng(3)
    async with health.transaction() as tx:
        made = {f"n{n}": random.negative_binomial(1, 0.05, 300) for n in range(40)}
        await put_counts(tx, made, first=LAST - timedelta(days=299))
    await seal_through(health, LAST)
    book = ProfileBook((default_profile(),))
    async with health.transaction() as tx:
        assert await calibrate_when_due(tx, book)
        assert not await calibrate_when_due(tx, book)
        chosen = (await alarms.in_force(tx, "default"))["events", 3].threshold
    assert chosen.is_calibrated
    assert chosen.alarms_per_100_a_month <= chosen.budget == 1
    clock.advance(timedelta(days=8))
    async with health.transaction() as tx:
        assert await calibrate_when_due(tx, book)
        versions = await tx.fetch_value("SELECT count(*) FROM alarm_thresholds")
    shown = (await api.get("/api/v1/detector")).json()
    assert versions == 2 * len(shown["thresholds"]) == 20
    of_events = [one for one in shown["thresholds"] if one["metric"] == "events"]
    busy = next(one for one in of_events if one["band"] == "100 to 300 a week")
    assert "account-months of" in busy["in_words"]
    assert shown["in_words"] == "about 2 drop alerts a month for every 100 monitored accounts"


def profile_for(segment: str, alerts: float) -> Profile:
    """Return a profile that watches one metric more, and has its own budget."""
    document = default_document()
    exports = {"kind": "count", "events": ["report.exported"], "watch": True}
    return parse_profile(
        {
            **document,
            "name": "big",
            "applies_to": {"segments": [segment]},
            "metrics": {**document["metrics"], "exports": exports},
            "drop": {
                **document["drop"],
                "alert_budget": {"alerts_per_100_accounts_a_month": alerts},
            },
        }
    )


async def test_each_profile_keeps_its_own_budget_over_all_metrics_it_watches(
    health: Database,
) -> None:
    random = np.random.default_rng(3)
    big = profile_for("galactic", 9)
    group = PeerGroup("galactic", "UTC")
    first = LAST - timedelta(days=299)
    async with health.transaction() as tx:
        made = {f"n{n}": random.negative_binomial(1, 0.05, 300) for n in range(40)}
        await put_counts(tx, made, first=first)
        made = {f"g{n}": random.negative_binomial(1, 0.05, 300) for n in range(40)}
        await put_counts(tx, made, first=first, group=group)
    await seal_through(health, LAST)
    await seal_group(health, sealing(LAST, big, group))
    async with health.transaction() as tx:
        assert await calibrate_when_due(tx, ProfileBook((default_profile(), big)))
        own = await alarms.in_force(tx, "default")
        bigs = await alarms.in_force(tx, "big")
    assert {metric for metric, _ in own} == {"events", "active_users"}
    assert {metric for metric, _ in bigs} == {"events", "active_users", "exports"}
    ours, theirs = own["events", 3].threshold, bigs["events", 3].threshold
    assert (ours.budget, theirs.budget) == (1, 3)
    assert theirs.p_star < ours.p_star
    # Each is chosen on the accounts it is for.
    assert theirs.account_months == pytest.approx(ours.account_months, rel=0.05)


async def test_a_profile_with_few_accounts_is_calibrated_on_everybodys(health: Database) -> None:
    random = np.random.default_rng(3)
    async with health.transaction() as tx:
        made = {f"n{n}": random.negative_binomial(1, 0.05, 300) for n in range(40)}
        await put_counts(tx, made, first=LAST - timedelta(days=299))
    await seal_through(health, LAST)
    book = ProfileBook((default_profile(), profile_for("galactic", 9)))
    async with health.transaction() as tx:
        assert await calibrate_when_due(tx, book)
        assert not await calibrate_when_due(tx, book)
        own = (await alarms.in_force(tx, "default"))["events", 3].threshold
        new = await alarms.in_force(tx, "big")
    assert new["events", 3].threshold.account_months == own.account_months
    assert new["events", 3].threshold.is_calibrated
    assert not new["exports", 3].threshold.is_calibrated


async def test_what_cannot_be_decided_is_refused_with_advice(
    health: Database, api: httpx.AsyncClient
) -> None:
    async with health.transaction() as tx:
        await accounts.upsert(tx, "acme", "smb", "UTC")
    path = "/api/v1/accounts/acme/monitoring"
    early = await api.post(f"{path}/new-normal", json=BECAUSE)
    assert (early.status_code, early.json()["code"]) == (409, "not_judged_yet")
    gap = {"from_day": "2026-03-02", "until_day": "2026-03-01", "reason": "x"}
    wrong = await api.post(f"{path}/known-gaps", json=gap)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "gap_ends_before_it_begins")
    nobody = await api.get("/api/v1/accounts/nobody/monitoring")
    assert nobody.status_code == 404
    for blank in ("", "  "):
        assert (await api.post(f"{path}/suspend", json={"reason": blank})).status_code == 422
    for_ever = {**gap, "until_day": "9999-12-31"}
    long = await api.post(f"{path}/known-gaps", json=for_ever)
    assert (long.status_code, long.json()["code"]) == (422, "gap_too_long")
    misspelt = {**gap, "until_day": "2026-03-05", "segment": "smbb"}
    lost = await api.post("/api/v1/detector/known-gaps", json=misspelt)
    assert (lost.status_code, lost.json()["code"]) == (404, "segment_unknown")
