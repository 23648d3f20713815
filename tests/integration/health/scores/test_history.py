"""Scores as charts read them, and how long each is kept."""

from datetime import timedelta

import httpx
import pytest

from services.health.jobs.upkeep import refresh_scores, thin_scores
from services.health.usecases.files.files import load_profile
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tests.integration.health.scores.scoring import ACME, DAY, known, read, rescored, signal, value


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
