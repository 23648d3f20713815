"""The pulse stands beside the score; when the two are too far apart, that is a disagreement."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.health.domain.score.score import Band, Evidence, score_account
from services.health.jobs.upkeep import look_again
from services.health.storage.account import accounts
from services.health.storage.score import scores
from services.health.storage.score.scores import Rescored, Scored
from services.health.usecases.files.files import load_profile
from services.health.usecases.risk.pulse import compare, current
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock

PULSE = "/api/v1/accounts/acme/pulse"


@pytest.fixture(autouse=True)
async def acme(health: Database) -> None:
    async with health.transaction() as tx:
        await accounts.upsert(tx, "acme", "smb", "UTC")


async def score(health: Database, band: Band, value: float) -> None:
    async with health.transaction() as tx:
        made = replace(score_account(load_profile(), Evidence({}), tx.now), value=value)
        await scores.save(tx, [Rescored("acme", Scored(tx.now, made, band), value, tx.now, tx.now)])
        await compare(tx, "acme")


async def disagreements(csm: httpx.AsyncClient, **query: str) -> Sequence[dict[str, Any]]:
    found: list[dict[str, Any]] = (await csm.get("/api/v1/disagreements", params=query)).json()[
        "data"
    ]
    return found


@pytest.mark.parametrize(
    ("body", "value", "band"),
    [
        ({"rating": 1}, 0, "at_risk"),
        ({"rating": 3}, 50, "watch"),
        ({"rating": 5}, 100, "healthy"),
        ({"value": 74.9}, 74.9, "watch"),
        ({"band": "at_risk"}, 25, "at_risk"),
    ],
)
async def test_a_judgement_is_a_rating_a_value_or_a_band(
    csm: httpx.AsyncClient, body: dict[str, Any], value: float, band: str
) -> None:
    answer = await csm.post(PULSE, json={**body, "comment": "After the call.", "by": "Kim"})
    assert answer.status_code == 201
    shown = answer.json()
    assert (shown["value"], shown["band"], shown["by"]) == (value, band, "Kim")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"rating": 0},
        {"rating": 6},
        {"rating": 2.5},
        {"value": -1},
        {"value": 101},
        {"band": "unknown"},
        {"band": "great"},
        {"rating": 3, "band": "watch"},
        {"rating": 3, "comment": ""},
        {"rating": 3, "mood": "good"},
    ],
)
async def test_a_judgement_that_is_none_is_refused(
    csm: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    answer = await csm.post(PULSE, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert (await csm.get(PULSE)).json()["data"] == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"rating": 3, "value": 50}, "value (0 to 100) or band, not rating and value"),
        ({}, "value (0 to 100) or band, not none"),
        ({"band": "unknown"}, "send the band healthy, watch or at_risk"),
    ],
)
async def test_a_refused_judgement_says_what_was_sent(
    csm: httpx.AsyncClient, body: dict[str, Any], words: str
) -> None:
    assert words in (await csm.post(PULSE, json=body)).text


async def test_a_person_and_the_score_too_far_apart_disagree_once_and_agree_by_themselves(
    csm: httpx.AsyncClient, health: Database
) -> None:
    await score(health, Band.AT_RISK, 41)
    for _ in range(2):
        await csm.post(PULSE, json={"rating": 5, "by": "Kim"})
    (item,) = await disagreements(csm)
    assert (item["believed"], item["computed"], item["status"]) == ("healthy", "at_risk", "open")
    assert item["explanation"] == (
        "Kim says healthy (100 of 100); the score says at risk (41 of 100)."
    )
    await score(health, Band.WATCH, 60)
    (item,) = await disagreements(csm)
    assert (item["status"], item["resolved_by"]) == ("resolved", "health")


async def test_who_changes_sides_disagrees_about_something_else(
    csm: httpx.AsyncClient, health: Database
) -> None:
    await score(health, Band.AT_RISK, 41)
    await csm.post(PULSE, json={"rating": 5})
    await score(health, Band.HEALTHY, 90)
    await csm.post(PULSE, json={"rating": 1})
    newest, *_ = await disagreements(csm, status="open")
    assert (newest["believed"], newest["computed"]) == ("at_risk", "healthy")
    assert len(await disagreements(csm, status="open")) == 1


async def test_neighbours_and_the_unknown_do_not_disagree(
    csm: httpx.AsyncClient, health: Database
) -> None:
    await csm.post(PULSE, json={"band": "healthy"})
    assert await disagreements(csm) == []
    await score(health, Band.UNKNOWN, 30)
    await score(health, Band.WATCH, 60)
    assert await disagreements(csm) == []


async def test_a_person_settles_a_disagreement_with_a_reason_once(
    csm: httpx.AsyncClient, health: Database
) -> None:
    await score(health, Band.AT_RISK, 41)
    await csm.post(PULSE, json={"rating": 5})
    (item,) = await disagreements(csm)
    path = f"/api/v1/disagreements/{item['id']}/resolve"
    assert (await csm.post(path, json={})).status_code == 422
    settled = (await csm.post(path, json={"reason": "The score missed the API."})).json()
    assert (settled["status"], settled["resolution"]) == ("resolved", "The score missed the API.")
    again = await csm.post(path, json={"reason": "x"})
    assert (again.status_code, again.json()["code"]) == (409, "disagreement_resolved_already")
    other = path.replace(item["id"], "0199a1b2-7a10-7c3e-9d4f-0000000000ff")
    assert (await csm.post(other, json={"reason": "x"})).status_code == 404


async def test_an_old_pulse_is_nobodys_judgement_and_its_disagreement_ends(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await score(health, Band.AT_RISK, 41)
    await csm.post(PULSE, json={"rating": 5})
    clock.advance(timedelta(days=180, minutes=1))
    await look_again(health)
    assert (await disagreements(csm))[0]["status"] == "resolved"
    async with health.transaction() as tx:
        assert await current(tx, "acme") is None


async def test_a_mistyped_account_is_not_made_by_a_pulse(csm: httpx.AsyncClient) -> None:
    path = PULSE.replace("acme", "acmee")
    for answer in (await csm.post(path, json={"rating": 5}), await csm.get(path)):
        assert (answer.status_code, answer.json()["code"]) == (404, "account_unknown")
    listed = (await csm.get("/api/v1/accounts")).json()["data"]
    assert [one["account_id"] for one in listed] == ["acme"]


async def test_pulses_are_listed_newest_first_in_pages(csm: httpx.AsyncClient) -> None:
    for rating in (1, 2, 3):
        await csm.post(PULSE, json={"rating": rating})
    first = (await csm.get(PULSE, params={"limit": 2})).json()
    rest = (await csm.get(PULSE, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [one["value"] for one in (*first["data"], *rest["data"])] == [50, 25, 0]
