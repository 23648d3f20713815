"""Scores in depth: explained in words, compared with earlier moments, charted, listed, kept."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Profile
from services.health.domain.score.loss_model import Calibration, LossModel
from services.health.domain.score.percentile import Distribution
from services.health.jobs.upkeep import refresh_scores, refresh_stale_scores, thin_scores
from services.health.storage.account import accounts
from services.health.usecases.files.files import load_profile
from services.health.usecases.score.comparing import compute_distributions
from services.health.usecases.score.explaining import KEPT, Archive, explain
from services.health.usecases.score.scoring import Models, Panel, rescore
from shared.db.transaction import Database, Transaction
from shared.kernel.clock import FixedClock
from tests.builders.health import default_document
from tests.builders.sealing import put_counts, seal_through
from tests.conftest import NOON, OpenClient, OpenDatabase

ACME = "/api/v1/accounts/acme"
AS_SHOWN = 1e-4
DAY = timedelta(days=1)


@pytest.fixture
async def csm(open_client: OpenClient) -> httpx.AsyncClient:
    return await open_client("health", scopes=["health:read", "health:write"])


@pytest.fixture
async def health(open_database: OpenDatabase) -> Database:
    return await open_database("health")


async def signal(csm: httpx.AsyncClient, type_: str, account: str = "acme", **more: Any) -> None:
    answer = await csm.post(f"/api/v1/accounts/{account}/signals", json={"type": type_, **more})
    assert answer.status_code == 201, answer.text


async def known(csm: httpx.AsyncClient, account: str = "acme", *, nps: float = 10) -> None:
    """Say enough about an account for a band: 40 of 100 points are observed."""
    await signal(csm, "outcome_checked_in", account, value=1.0)
    await signal(csm, "promise_kept", account)
    await signal(csm, "nps_answered", account, value=nps)
    await signal(csm, "champion_named", account)
    await signal(csm, "payment_succeeded", account)


async def read(csm: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await csm.get(f"{ACME}/health{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def rescored(health: Database, profile: Profile, models: Models | None = None) -> None:
    async with health.transaction() as tx:
        await tx.execute("UPDATE accounts SET rescore_at = :now", now=tx.now)
    more = 1
    while more:
        async with health.transaction() as tx:
            rows = await accounts.claim_rescore(tx, 100)
            judged = {str(row["account_id"]): profile for row in rows}
            await rescore(tx, rows, Panel(judged, models or {}))
            more = len(rows)


async def facts(health: Database, kind: str) -> Sequence[dict[str, Any]]:
    async with health.transaction() as tx:
        rows = await tx.fetch_all(
            "SELECT payload FROM outbox WHERE type = :type ORDER BY seq",
            type=f"io.tenure.health.{kind}.v1",
        )
    return [row["payload"]["data"] for row in rows]


async def value(health: Database, sql: str, **params: Any) -> Any:
    async with health.transaction() as tx:
        return await tx.fetch_value(sql, **params)


# --- explanations


async def test_an_explanation_is_made_of_sentences_and_subtotals_that_add_up(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await known(csm)
    clock.advance(10 * DAY)
    await signal(csm, "payment_failed")
    await refresh_scores(health)
    shown = await read(csm, "/explain")
    by_metric = {line["metric"]: line for line in shown["lines"]}
    assert by_metric["payments"]["sentence"] == "Payments: payment failed: 0.0 of 5.0 points."
    assert by_metric["nps"]["sentence"] == (
        "Recommendation (NPS): 10, normal is 9 or more, 10 days old: 14.7 of 15.0 points."
    )
    assert by_metric["usage_ratio"]["sentence"].startswith(
        "Usage: nothing is known yet, so it counts as neutral: "
    )
    assert math.fsum(d["points"] for d in shown["dimensions"]) == pytest.approx(shown["score"])
    for dimension in shown["dimensions"]:
        lines = [one for one in shown["lines"] if one["dimension"] == dimension["dimension"]]
        assert math.fsum(one["points"] for one in lines) == pytest.approx(
            dimension["points"], abs=1e-9
        )
    missing = {one["metric"]: one["how_to_provide"] for one in shown["missing_inputs"]}
    assert set(missing) == set(shown["missing"])
    assert "Whoever runs the help desk" in missing["csat"]
    assert "backend" in missing["usage_ratio"]
    accepted = {one["metric"]: one["signals"] for one in shown["missing_inputs"]}
    assert accepted["csat"] == ["csat_answered"]
    assert shown["what_would_help"][0]["metric"] == "payments"
    assert (shown["p_loss"], shown["p_loss_source"]) == (None, "expert weights")


async def test_what_changed_since_tuesday(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await known(csm)
    await refresh_scores(health)
    clock.advance(9 * DAY)  # from Monday 2 March to Wednesday 11 March
    await signal(csm, "payment_failed")
    await signal(csm, "nps_answered", value=2)
    await refresh_scores(health)
    compared = (await read(csm, "/explain", since="tuesday"))["compared"]
    assert compared["headline"].startswith("Down 1")
    assert "since Tuesday 10 March 2026: recommendation −14, payments −4" in compared["headline"]  # noqa: RUF001
    assert compared["changes"][0]["sentence"] == (
        "Recommendation (NPS): 10 before, 2 now: −13.5 points."  # noqa: RUF001
    )
    assert compared["asked"] == "2026-03-10T00:00:00Z"
    assert compared["since"] == "2026-03-02T12:00:00Z"
    total = math.fsum(change["points"] for change in compared["changes"])
    assert total == pytest.approx(compared["points"], abs=1e-9)
    for since in ("2026-03-10", "7d", "yesterday", "last-change", "2026-03-03T00:00:00+01:00"):
        again = (await read(csm, "/explain", since=since))["compared"]
        assert again["points"] == pytest.approx(compared["points"], abs=1e-9)


async def test_the_score_as_it_was(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await known(csm)
    await refresh_scores(health)
    first = await read(csm, "/explain")
    clock.advance(5 * DAY)
    await signal(csm, "payment_failed")
    await refresh_scores(health)
    assert await read(csm, "/explain", at="2026-03-04") == first
    assert (await read(csm, "/explain"))["score"] < first["score"]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"since": "tuesdy"}, 422, "moment_unclear"),
        ({"since": ""}, 422, "moment_unclear"),
        ({"since": "2026-03-01T00:00:00"}, 422, "moment_unclear"),
        ({"since": "2026-02-30"}, 422, "moment_unclear"),
        ({"since": "2026-03-01T00:00:00 01:00"}, 422, "moment_unclear"),
        ({"since": "2030-01-01"}, 422, "moment_in_future"),
        ({"since": "x" * 101}, 422, "invalid_request"),
        ({"since": "\0"}, 422, "moment_unclear"),
        ({"since": "0000-01-01"}, 422, "moment_unclear"),
        ({"since": "9999-12-31T23:59:59-14:00"}, 422, "moment_unclear"),
        ({"since": "0001-01-01T00:00:00+14:00"}, 404, "not_scored_yet"),
        ({"since": "2020-01-01"}, 404, "not_scored_yet"),
        ({"since": "last-change"}, 404, "not_scored_yet"),
        ({"at": "2020-01-01"}, 404, "not_scored_yet"),
        ({"at": "soon"}, 422, "moment_unclear"),
    ],
)
async def test_a_moment_that_makes_no_sense_is_refused_with_what_to_write(
    csm: httpx.AsyncClient, health: Database, query: dict[str, str], status: int, code: str
) -> None:
    await known(csm)
    await refresh_scores(health)
    answer = await csm.get(f"{ACME}/health/explain", params=query)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


@pytest.mark.parametrize("path", ["health", "health/explain", "health/history", "usage"])
@pytest.mark.parametrize("account", ["nobody", "a%00b", "%F0%9F%A6%86", "x" * 300])
async def test_no_account_is_found_under_a_name_nobody_has(
    csm: httpx.AsyncClient, path: str, account: str
) -> None:
    answer = await csm.get(f"/api/v1/accounts/{account}/{path}")
    assert answer.status_code in {404, 422}, answer.text


def another_version() -> Profile:
    document = default_document()
    document["version"] += 1
    document["dimensions"]["sentiment"]["weight"] = 40
    return parse_profile(document)


async def test_a_change_of_profile_is_told_apart_from_what_happened_at_the_customer(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await known(csm)
    await refresh_scores(health)
    clock.advance(DAY)
    await signal(csm, "payment_failed")
    other = another_version()
    await rescored(health, other)

    async def find(tx: Transaction, name: str, version: int) -> Profile | None:
        return other if version == other.version else load_profile(name)

    async with health.transaction() as tx:
        archive = Archive(find, KEPT.model)
        found = await explain(tx, "acme", at=None, since="1d", archive=archive)
        lost = await explain(tx, "acme", at=None, since="1d", archive=KEPT)
    assert found.compared is not None
    assert lost.compared is not None
    changes = {change.metric: change.points for change in found.compared.found.changes}
    assert changes[f"{load_profile().label} -> {other.label}"] > 5
    assert changes["payments"] < 0
    assert math.fsum(changes.values()) == pytest.approx(found.compared.found.points, abs=1e-9)
    assert "profile changed +" in found.compared.headline
    assert found.compared.found.points == pytest.approx(lost.compared.found.points, abs=1e-9)
    assert (found.compared.found.is_apart, lost.compared.found.is_apart) == (True, False)
    shown = (await read(csm, "/explain", since="1d"))["compared"]
    assert "no longer at hand" in shown["note"]


def a_model() -> LossModel:
    return LossModel(
        version=3,
        profile_name="default",
        profile_version=load_profile().version,
        horizon_days=180,
        intercepts={"": -1.5},
        month_slope=-0.1,
        betas={"sentiment.nps": 3.0, "commercial.payments": 1.0, "usage.usage_ratio": 4.0},
        calibration=Calibration(),
        trained_on=412,
        losses=61,
        trained_at=NOON,
    )


async def test_a_model_is_named_and_its_probability_is_kept_and_shown(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await known(csm, nps=2)
    await refresh_scores(health)
    clock.advance(DAY)
    await rescored(health, load_profile(), {load_profile().label: a_model()})
    shown = await read(csm, "")
    assert shown["p_loss"] == pytest.approx(1 - shown["score"] / 100, abs=AS_SHOWN)
    assert shown["p_loss_source"] == "model v3, 412 renewals, 61 losses"
    assert await value(health, "SELECT p_loss FROM scores WHERE model_version = 3") == (
        pytest.approx(shown["p_loss"], abs=AS_SHOWN)
    )
    explained = await read(csm, "/explain")
    points = math.fsum(line["points"] for line in explained["lines"])
    assert explained["base"] + points == pytest.approx(explained["score"], abs=1e-9)
    nps = next(line for line in explained["lines"] if line["metric"] == "nps")
    assert nps["log_odds"] > 0 > nps["points"]
    assert "log-odds +" in nps["sentence"]
    assert explained["model"]["trained_on"] == 412
    markers = (await read(csm, "/history"))["markers"]
    assert [(m["kind"], m["after"]) for m in markers if m["kind"] == "profile"] == [
        ("profile", f"{load_profile().label} with model v3")
    ]


# --- time alone


async def test_a_score_moves_though_nothing_happens_and_is_said_when_it_has_moved_enough(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await known(csm)
    await refresh_scores(health)
    before = (await read(csm, ""))["score"]
    said = len(await facts(health, "score_changed"))
    clock.advance(timedelta(hours=23))
    await refresh_stale_scores(health)
    assert not await refresh_scores(health)
    for _ in range(60):
        clock.advance(DAY)
        await refresh_stale_scores(health)
        await refresh_scores(health)
    after = (await read(csm, ""))["score"]
    assert before - after > 4
    told = (await facts(health, "score_changed"))[said:]
    # Each day moves it by far less than the dead band: what is said is the sum of small moves.
    same_band = [one for one in told if one["band"] == one["previous_band"]]
    assert same_band
    assert all(abs(one["score"] - one["previous_score"]) >= 2 for one in same_band)


async def test_a_low_score_is_a_risk_only_when_a_second_day_confirms_it(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    for kind in ("promise_broken", "payment_failed", "champion_left"):
        await signal(csm, kind)
    await signal(csm, "outcome_checked_in", value=0.0)
    await signal(csm, "nps_answered", value=0)
    await refresh_scores(health)
    assert (await read(csm, ""))["band"] == "at_risk"

    async def reasons() -> set[str]:
        rows = (await csm.get("/api/v1/risks", params={"status": "open"})).json()["data"]
        return {row["reason"] for row in rows}

    assert "low_score" not in await reasons()
    clock.advance(timedelta(hours=25))
    await refresh_stale_scores(health)
    await refresh_scores(health)
    assert "low_score" in await reasons()


# --- similar accounts


def ranked_profile() -> Profile:
    document = default_document()
    nps = document["dimensions"]["sentiment"]["inputs"]["nps"]
    del nps["steps"]
    nps["percentile"] = {"higher_is": "healthy", "min_accounts": 20}
    nps["signals"] = {"outcome_checked_in": "value"}  # a value with fractions
    return parse_profile(document)


async def test_a_value_is_ranked_among_similar_accounts_and_the_explanation_says_which(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    profile = ranked_profile()
    for number in range(25):
        name = "acme" if number == 5 else f"peer{number}"
        await signal(csm, "outcome_checked_in", name, value=number / 25)
    await rescored(health, profile)
    line = next(one for one in (await read(csm, "/explain"))["lines"] if one["metric"] == "nps")
    assert "not enough similar accounts (n=0" in line["sentence"]
    assert (line["subscore"], line["freshness"]) == (0.5, 0)
    async with health.transaction() as tx:
        assert await compute_distributions(tx, [profile], 35 * DAY)
        assert not await compute_distributions(tx, [profile], 35 * DAY)
    clock.advance(timedelta(minutes=1))
    await rescored(health, profile)
    line = next(one for one in (await read(csm, "/explain"))["lines"] if one["metric"] == "nps")
    assert line["subscore"] == pytest.approx(5.5 / 25, abs=0.02)
    assert line["peers"]["accounts"] == 25
    assert "of 25 similar customers" in line["sentence"]
    # Anybody can compute it again from what is kept.
    quantiles = await value(
        health,
        "SELECT quantiles FROM segment_distributions WHERE computed_at = :at AND input = 'nps'",
        at=datetime.fromisoformat(line["peers"]["computed_at"]),
    )
    assert sum(q < line["value"] for q in quantiles) / 101 < line["peers"]["percentile"]
    clock.advance(timedelta(days=1))
    async with health.transaction() as tx:
        await compute_distributions(tx, [profile], timedelta(hours=1))
    assert await value(health, "SELECT count(*) FROM segment_distributions") == 1


async def test_another_segment_has_its_own_ranks(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    profile = ranked_profile()
    async with health.transaction() as tx:
        for number in range(40):
            await accounts.upsert(tx, f"a{number}", "big" if number % 2 else "small", "UTC")
    for number in range(40):
        await signal(csm, "outcome_checked_in", f"a{number}", value=number / 40)
    await rescored(health, profile)
    async with health.transaction() as tx:
        await compute_distributions(tx, [profile], DAY)
        rows = await tx.fetch_all("SELECT * FROM segment_distributions ORDER BY segment")
    assert [(row["segment"], row["accounts"]) for row in rows] == [("big", 20), ("small", 20)]
    assert [row["quantiles"][-1] for row in rows] == [39 / 40, 38 / 40]
    same = Distribution.of("big", "nps", 90, [n / 40 for n in range(1, 40, 2)], clock.now())
    assert tuple(rows[0]["quantiles"]) == same.quantiles


# --- history


async def test_history_has_a_point_a_day_carried_forward_and_markers(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await known(csm)
    await refresh_scores(health)
    clock.advance(3 * DAY)
    for kind in ("payment_failed", "champion_left", "promise_broken"):
        await signal(csm, kind)
    await signal(csm, "nps_answered", value=0)
    await signal(csm, "outcome_checked_in", value=0.0)
    await refresh_scores(health)
    shown = await read(csm, "/history", resolution="day")
    days = [(point["at"][:10], point["carried"]) for point in shown["points"]]
    assert days == [
        ("2026-03-02", False),
        ("2026-03-03", True),
        ("2026-03-04", True),
        ("2026-03-05", False),
    ]
    assert shown["points"][2]["score"] == shown["points"][0]["score"]
    (marker,) = shown["markers"]
    assert (marker["kind"], marker["before"], marker["after"]) == ("band", "watch", "at_risk")
    hours = (await read(csm, "/history", resolution="hour", **{"from": "3d"}))["points"]
    assert len(hours) == 73
    weeks = (await read(csm, "/history", resolution="week"))["points"]
    assert [point["at"][:10] for point in weeks] == ["2026-03-02"]


async def test_raw_history_comes_in_pages(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    for number in range(5):
        await signal(csm, "nps_answered", value=10 if number % 2 else 0)
        await refresh_scores(health)
        clock.advance(timedelta(hours=1))
    found: list[str] = []
    query: dict[str, str] = {"resolution": "raw", "limit": "2"}
    while True:
        page = await read(csm, "/history", **query)
        found += [point["scored_at"] for point in page["points"]]
        if not page["has_more"]:
            break
        query["cursor"] = page["next_cursor"]
    assert found == [f"2026-03-02T{hour}:00:00Z" for hour in range(12, 17)]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"resolution": "minute"}, 422, "invalid_request"),
        ({"from": "2026-03-02", "to": "2026-03-01"}, 422, "history_backwards"),
        ({"from": "2020-01-01", "resolution": "hour"}, 422, "history_too_long"),
        ({"from": "2010-01-01", "resolution": "day"}, 422, "history_too_long"),
        ({"from": "1970-01-01", "resolution": "week"}, 422, "history_too_long"),
        ({"from": "never"}, 422, "moment_unclear"),
        ({"from": "last-change"}, 422, "moment_unclear"),
        ({"to": "2030-01-01"}, 422, "moment_in_future"),
        ({"resolution": "raw", "cursor": "bogus"}, 400, "invalid_cursor"),
        ({"resolution": "raw", "limit": "0"}, 422, "invalid_request"),
    ],
)
async def test_a_history_that_makes_no_sense_is_refused(
    csm: httpx.AsyncClient, query: dict[str, str], status: int, code: str
) -> None:
    await known(csm)
    answer = await csm.get(f"{ACME}/health/history", params=query)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_a_score_that_stands_still_writes_no_history_and_one_a_day_is_kept(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await known(csm)
    await refresh_scores(health)
    for _ in range(10):
        clock.advance(timedelta(minutes=10))
        await rescored(health, load_profile())
    assert await value(health, "SELECT count(*) FROM scores") == 1
    assert (await read(csm, ""))["scored_at"] == "2026-03-02T13:40:00Z"


async def test_old_history_is_thinned_to_the_last_of_each_day_and_every_turn_of_band(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await known(csm)
    for number in range(12):
        await signal(csm, "nps_answered", value=0 if number % 2 else 10)
        await refresh_scores(health)
        clock.advance(timedelta(hours=8))
    turns = (await read(csm, "/history"))["markers"]
    before = await value(health, "SELECT count(*) FROM scores")
    assert before == 12
    clock.advance(34 * DAY)
    while await thin_scores(health):
        pass
    kept = await value(health, "SELECT array_agg(at ORDER BY at) FROM scores")
    by_day = {at.date() for at in kept}
    assert len(kept) < before
    assert len(by_day) == 4 + 1
    assert (await read(csm, "/history"))["markers"] == turns
    clock.advance(10 * DAY)
    while await thin_scores(health):
        pass
    assert (await read(csm, "/explain"))["score"] > 0
    compared_next = (
        "SELECT count(*) FROM scores AS s JOIN current_scores AS c "
        "ON c.account_id = s.account_id AND c.kept_at = s.at"
    )
    assert await value(health, compared_next) == 1


# --- many accounts


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


async def test_a_batch_takes_as_many_queries_as_one_account(
    csm: httpx.AsyncClient, health: Database
) -> None:
    async def queries(names: Sequence[str]) -> int:
        for name in names:
            await signal(csm, "nps_answered", name, value=9)
        with counted(health) as statements:
            assert await refresh_scores(health)
        return len(statements)

    one = await queries(["alone"])
    assert await queries([f"a{number}" for number in range(40)]) == one


async def test_lists_filter_and_sort_and_page_as_a_person_would(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    async with health.transaction() as tx:
        for number in range(12):
            await accounts.upsert(tx, f"a{number:02}", "big" if number % 3 else "small", "UTC")
    for number in range(12):
        await signal(csm, "nps_answered", f"a{number:02}", value=float(number % 11))
        if number % 2:
            await known(csm, f"a{number:02}", nps=number % 11)
        await refresh_scores(health)
        clock.advance(timedelta(minutes=number % 3))

    async def walked(**query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {"has_more": True, "next_cursor": None}
        while page["has_more"]:
            cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
            answer = await csm.get("/api/v1/accounts", params={"limit": "3", **query, **cursor})
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += page["data"]
        return found

    everybody = await walked()
    assert len(everybody) == 12

    def ids(rows: Sequence[dict[str, Any]]) -> list[str]:
        return [row["account_id"] for row in rows]

    def sort(key: str, *, down: bool) -> list[str]:
        chosen = sorted(everybody, key=lambda row: row["account_id"], reverse=False)
        return ids(sorted(chosen, key=lambda row: row[key], reverse=down))

    for order, key in (("score", "score"), ("changed", "changed_at")):
        up, downwards = await walked(sort=order), await walked(sort=f"-{order}")
        assert [row[key] for row in up] == sorted(row[key] for row in everybody)
        assert ids(downwards) == list(reversed(ids(up)))
    assert ids(await walked(sort="-account_id")) == sort("account_id", down=True)
    small = [row for row in everybody if row["segment"] == "small"]
    assert ids(await walked(segment="small")) == ids(small)
    known_ones = [row for row in everybody if row["coverage"] >= 0.35]
    assert ids(await walked(coverage_from="0.35")) == ids(known_ones)
    band = known_ones[0]["band"]
    assert ids(await walked(band=band)) == ids([r for r in everybody if r["band"] == band])
    middle = [r for r in everybody if 45 <= r["score"] < 60 and r["segment"] == "big"]
    found = await walked(score_from="45", score_below="60", segment="big", sort="score")
    assert set(ids(found)) == set(ids(middle))
    assert middle


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"band": "purple"}, 422, "invalid_request"),
        ({"sort": "name"}, 422, "invalid_request"),
        ({"score_below": "101"}, 422, "invalid_request"),
        ({"score_below": "nan"}, 422, "invalid_request"),
        ({"coverage_from": "-0.1"}, 422, "invalid_request"),
        ({"score_from": "60", "score_below": "50"}, 422, "nothing_between"),
        ({"segment": ""}, 422, "invalid_request"),
        ({"segment": "a\0b"}, 422, "invalid_request"),
        ({"cursor": "!!"}, 400, "invalid_cursor"),
        # A cursor of another order.
        ({"sort": "score", "cursor": "eyJhY2NvdW50X2lkIjoiYSJ9"}, 400, "invalid_cursor"),
        # A cursor that was made by hand: it names no list.
        (
            {"sort": "score", "cursor": "eyJzY29yZSI6Im5hbiIsImFjY291bnRfaWQiOiJhIn0"},
            400,
            "invalid_cursor",
        ),
    ],
)
async def test_a_list_that_makes_no_sense_is_refused(
    csm: httpx.AsyncClient, query: dict[str, str], status: int, code: str | None
) -> None:
    answer = await csm.get("/api/v1/accounts", params=query)
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text


async def test_an_account_is_scored_when_it_opens_and_says_nothing_until_something_is_known(
    csm: httpx.AsyncClient, health: Database
) -> None:
    async with health.transaction() as tx:
        await accounts.upsert(tx, "acme", "mid", "Europe/Berlin")
    await refresh_scores(health)
    shown = await read(csm, "")
    assert (shown["score"], shown["band"], shown["coverage"]) == (50, "unknown", 0)
    assert await facts(health, "score_changed") == []
    assert (await read(csm, "/explain"))["scored_at"] == NOON.astimezone(UTC).isoformat().replace(
        "+00:00", "Z"
    )


async def test_while_history_may_be_on_its_way_nothing_is_said_of_silence(
    csm: httpx.AsyncClient, health: Database
) -> None:
    async with health.transaction() as tx:
        await put_counts(tx, {"acme": [3]}, first=NOON.date() - timedelta(days=20))
    await rescored(health, load_profile())
    assert "days_since_activity" in (await read(csm, "/explain"))["missing"]


async def test_a_normal_that_is_not_known_yet_is_not_said_to_be_reached(
    csm: httpx.AsyncClient, health: Database
) -> None:
    async with health.transaction() as tx:
        await put_counts(tx, {"acme": [5] * 10}, first=NOON.date() - timedelta(days=10))
    await seal_through(health, NOON.date() - timedelta(days=1))
    await rescored(health, load_profile())
    lines = {line["metric"]: line for line in (await read(csm, "/explain"))["lines"]}
    assert lines["usage_ratio"]["sentence"].startswith("Usage: not yet 28 days to know its own")


async def test_an_account_that_cannot_be_scored_keeps_no_other_from_it(health: Database) -> None:
    async with health.transaction() as tx:
        for account_id in ("bad", "good"):
            await accounts.ensure(tx, account_id, tx.now)
        await accounts.score_again(tx, ["bad", "good"])
        await tx.execute(
            "INSERT INTO risks (id, account_id, reason, status, risk, opened_at, changed_at) "
            "VALUES (gen_random_uuid(), 'bad', 'silence', 'unheard_of', '{}', now(), now())"
        )
    await refresh_scores(health)
    async with health.transaction() as tx:
        rows = await tx.fetch_all("SELECT account_id, rescore_at FROM accounts ORDER BY 1")
    assert rows[1]["rescore_at"] is None
    assert rows[0]["rescore_at"] > tx.now
