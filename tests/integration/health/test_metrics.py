"""Metrics as accounts live them: measured with the score, kept by day, filled for days past."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import yaml

from services.health.jobs.sealing import Sealer
from services.health.jobs.upkeep import count_metrics, fill_metrics, refresh_scores
from services.health.storage.account import accounts, standing
from services.health.storage.account.standing import SignedContract
from services.health.storage.metric import backfills, metrics
from services.health.usecases.metric.backfilling import fill_some
from services.health.usecases.metric.metrics import HISTORY_DAYS
from services.health.usecases.profile.activation import activate_version, add_version, roll_out
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tests.builders.health import default_document
from tests.conftest import NOON, OpenClient, OpenDatabase

TODAY = NOON.date()
METRICS = {
    "exports": {"kind": "count", "events": ["report.exported"], "window_days": 7},
    "people": {"kind": "distinct_users"},
    "features": {"kind": "breadth"},
    "stickiness": {"kind": "stickiness"},
    "seats_used": {"kind": "seat_utilisation"},
    "since_export": {"kind": "key_action_recency", "events": ["report.exported"]},
}


def with_metrics(version: int, defined: dict[str, Any]) -> str:
    return yaml.safe_dump({**default_document(), "version": version, "metrics": defined})


async def put_in_force(health: Database, text: str) -> None:
    async with health.transaction() as tx:
        document, _ = await add_version(tx, text, "ana")
        await activate_version(tx, document.profile.name, document.profile.version, "ana")


async def use(
    health: Database, account_id: str, days_ago: int, name: str, users: Sequence[str] = ("ann",)
) -> None:
    """Have users of an account do something, as the usage stream would count it."""
    day = TODAY - timedelta(days=days_ago)
    at = datetime.combine(day, NOON.timetz())
    async with health.transaction() as tx:
        await tx.execute(
            "INSERT INTO accounts AS a (account_id, first_seen_at, last_active_at, first_day, "
            "rescore_at) VALUES (:id, :at, :at, :day, :now) ON CONFLICT (account_id) DO UPDATE "
            "SET last_active_at = greatest(a.last_active_at, :at), "
            "first_day = least(a.first_day, :day), rescore_at = :now",
            id=account_id,
            at=at,
            day=day,
            now=tx.now,
        )
        await tx.execute(
            "INSERT INTO usage_daily AS t VALUES (:id, :day, :name, :n) "
            "ON CONFLICT (account_id, day, name) DO UPDATE SET n = t.n + EXCLUDED.n",
            id=account_id,
            day=day,
            name=name,
            n=len(users),
        )
        for user in users:
            await tx.execute(
                "INSERT INTO usage_users VALUES (:id, :day, :user, 1) ON CONFLICT DO NOTHING",
                id=account_id,
                day=day,
                user=user,
            )


async def score_all(health: Database) -> None:
    while await refresh_scores(health):
        pass


async def values(health: Database, account_id: str = "acme") -> dict[str, float]:
    async with health.transaction() as tx:
        return {row["metric"]: row["value"] for row in await metrics.latest(tx, account_id)}


async def history(health: Database, metric: str, account_id: str = "acme") -> dict[date, float]:
    async with health.transaction() as tx:
        rows = await metrics.history(tx, account_id, metric, before=None, limit=200)
        return {row["day"]: row["value"] for row in rows}


async def seats(health: Database, count: int) -> None:
    async with health.transaction() as tx:
        await standing.sign_contract(
            tx,
            SignedContract(
                account_id="acme",
                contract_id=str(uuid4()),
                starts_on=TODAY - timedelta(days=200),
                ends_on=TODAY + timedelta(days=165),
                notice_on=TODAY + timedelta(days=75),
                seats=count,
                amount_minor=1,
                currency="EUR",
            ),
        )


async def test_every_kind_is_measured_with_the_score_and_explained(
    open_database: OpenDatabase, open_client: OpenClient
) -> None:
    health = await open_database("health")
    await put_in_force(health, with_metrics(9, METRICS))
    await seats(health, 25)
    await use(health, "acme", 27, "report.exported", ["ann", "ben", "cy"])
    await use(health, "acme", 5, "report.exported", ["ann"])
    await use(health, "acme", 0, "page.viewed", ["ann", "ben"])
    await score_all(health)
    assert await values(health) == {
        "exports": 1,
        "people": 3,
        "features": 2,
        "stickiness": pytest.approx((6 / 28) / 3),
        "seats_used": 3 / 25,
        "since_export": 5,
    }
    client = await open_client("health", ["health:read"])
    shown = (await client.get("/api/v1/accounts/acme/metrics")).json()["data"]
    by_name = {one["name"]: one for one in shown}
    assert by_name["seats_used"]["explanation"] == "3 of 25 seats (12 %) active in 28 days"
    assert by_name["seats_used"]["definition"]["profiles"] == ["default@9"]
    assert by_name["since_export"]["explanation"] == "report.exported last seen 5 days ago"
    assert by_name["exports"]["day"] == TODAY.isoformat()
    assert by_name["exports"]["sample"] == 1


async def test_a_new_account_gets_its_whole_history_at_once_and_late_events_change_it(
    open_database: OpenDatabase,
) -> None:
    health = await open_database("health")
    await put_in_force(health, with_metrics(9, METRICS))
    await use(health, "acme", 3, "report.exported")
    await use(health, "acme", 0, "report.exported")
    await score_all(health)
    assert list((await history(health, "exports")).values()) == [2, 1, 1, 1]
    # What is sent of an earlier past is measured for all the days after it.
    await use(health, "acme", 5, "report.exported")
    await score_all(health)
    assert list((await history(health, "exports")).values()) == [3, 2, 2, 2, 1, 1]


async def test_a_metric_that_a_profile_adds_gets_its_history_and_one_that_it_drops_goes(
    open_database: OpenDatabase, open_client: OpenClient
) -> None:
    health = await open_database("health")
    old = {name: METRICS[name] for name in ("people", "features")}
    await put_in_force(health, with_metrics(8, old))
    for account_id in ("acme", "bolt", "cargo"):
        await use(health, account_id, 100, "page.viewed")
        await use(health, account_id, 2, "report.exported")
    await score_all(health)
    while await fill_metrics(health):
        pass
    await put_in_force(health, with_metrics(9, {**METRICS, "people": {"kind": "distinct_users"}}))
    assert await history(health, "exports") == {}
    client = await open_client("health", ["health:read"])
    running = (await client.get("/api/v1/metrics/exports")).json()["backfills"]
    assert [(one["state"], one["accounts_done"]) for one in running] == [("running", 0)]
    while await fill_metrics(health):
        pass
    filled = await history(health, "exports", "cargo")
    assert len(filled) == HISTORY_DAYS
    last = TODAY - timedelta(days=2)
    assert (filled[last], filled[last - timedelta(days=1)]) == (1, 0)
    # No more than was asked for: the unchanged metric was not filled again.
    done = (await client.get("/api/v1/metrics/exports")).json()["backfills"][0]
    assert (done["state"], done["accounts_done"], done["accounts_total"]) == ("done", 3, 3)
    assert done["days_done"] == 3 * HISTORY_DAYS
    assert (await client.get("/api/v1/metrics/people")).json()["backfills"][0]["version"] == 8
    async with health.transaction() as tx:
        while await roll_out(tx):
            pass
    await score_all(health)
    assert "exports" in await values(health)
    await put_in_force(health, with_metrics(10, old))
    async with health.transaction() as tx:
        while await roll_out(tx):
            pass
    await score_all(health)
    assert set(await values(health)) == {"people", "features"}


async def fill_one(health: Database, *, dies: bool = False) -> bool:
    """Fill the history of one account, as a replica that dies just before it commits, or not."""
    async with health.transaction() as tx:
        more = await fill_some(tx, at_once=1)
        if dies:
            raise RuntimeError("the power goes")
    return more


async def test_filling_goes_on_where_it_stopped_when_a_replica_dies(
    open_database: OpenDatabase,
) -> None:
    health = await open_database("health")
    await put_in_force(health, with_metrics(8, {}))
    for account_id in ("acme", "bolt", "cargo"):
        await use(health, account_id, 1, "report.exported")
        await use(health, account_id, 0, "page.viewed")
    await put_in_force(health, with_metrics(9, {"exports": METRICS["exports"]}))
    assert await fill_one(health)
    with pytest.raises(RuntimeError):
        await fill_one(health, dies=True)
    # What died left nothing half done: the second account is still to be filled.
    assert len(await history(health, "exports", "acme")) == 2
    assert await history(health, "exports", "bolt") == {}
    other = await open_database("health")
    assert await fill_one(other)
    assert len(await history(health, "exports", "bolt")) == 2
    assert await history(health, "exports", "cargo") == {}
    while await fill_one(other):
        pass
    async with health.transaction() as tx:
        (row,) = await backfills.of_metrics(tx, ["exports"])
    assert (row["state"], row["accounts_done"], row["days_done"]) == ("done", 3, 6)


async def test_two_replicas_never_fill_the_same_metric_at_once(
    open_database: OpenDatabase,
) -> None:
    one, other = await open_database("health"), await open_database("health")
    await put_in_force(one, with_metrics(8, {}))
    await use(one, "acme", 1, "report.exported")
    await put_in_force(one, with_metrics(9, {"exports": METRICS["exports"]}))
    async with one.transaction() as mine, other.transaction() as theirs:
        assert await fill_some(mine)
        assert not await fill_some(theirs)


async def test_metrics_are_listed_with_freshness_and_coverage(
    open_database: OpenDatabase, open_client: OpenClient
) -> None:
    health = await open_database("health")
    await put_in_force(health, with_metrics(9, METRICS))
    await use(health, "acme", 3, "report.exported")
    await use(health, "bolt", 0, "page.viewed")
    await score_all(health)
    await count_metrics(health)
    client = await open_client("health", ["health:read"])
    first = (await client.get("/api/v1/metrics", params={"limit": 4})).json()
    rest = await client.get("/api/v1/metrics", params={"cursor": first["next_cursor"]})
    shown = {one["name"]: one for one in [*first["data"], *rest.json()["data"]]}
    assert sorted(shown) == list(shown)
    assert set(METRICS) <= set(shown)
    assert (shown["people"]["accounts"], shown["people"]["newest_day"]) == (2, TODAY.isoformat())
    assert shown["people"]["newest_event_day"] == TODAY.isoformat()
    exported = (TODAY - timedelta(days=3)).isoformat()
    assert shown["exports"]["newest_event_day"] == exported
    # Nobody has seats: the metric is listed, and says that it covers no account.
    assert (shown["seats_used"]["accounts"], shown["seats_used"]["newest_day"]) == (0, None)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/accounts/nobody/metrics", 404, "account_unknown"),
        ("/api/v1/accounts/nobody/metrics/people/history", 404, "account_unknown"),
        ("/api/v1/accounts/acme/metrics/nothing/history", 404, "metric_unknown"),
        ("/api/v1/metrics/nothing", 404, "metric_unknown"),
        ("/api/v1/metrics?cursor=bm9uc2Vuc2U", 400, "invalid_cursor"),
        ("/api/v1/accounts/acme/metrics?limit=0", 422, "invalid_request"),
        (
            "/api/v1/accounts/acme/metrics/people/history?cursor=eyJkYXkiOiIxIn0",
            400,
            "invalid_cursor",
        ),
    ],
)
async def test_wrong_questions_get_a_clear_answer(
    open_database: OpenDatabase, open_client: OpenClient, path: str, status: int, code: str
) -> None:
    health = await open_database("health")
    async with health.transaction() as tx:
        await accounts.upsert(tx, "acme", "mid", "UTC")
    client = await open_client("health", ["health:read"])
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_sealed_day_moves_the_window_of_a_silent_account(
    open_database: OpenDatabase, clock: FixedClock
) -> None:
    health = await open_database("health")
    await put_in_force(health, with_metrics(9, METRICS))
    await use(health, "acme", 0, "report.exported")
    await score_all(health)
    assert (await values(health))["since_export"] == 0
    clock.advance(timedelta(days=9))
    await Sealer().run(health)
    await score_all(health)
    found = await values(health)
    assert (found["since_export"], found["exports"]) == (8, 0)
    # And the days in between are there too.
    assert list((await history(health, "since_export")).values()) == [8, 7, 6, 5, 4, 3, 2, 1, 0]
