"""What CSM tools read of an account's health, and what they tell it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.health.jobs.upkeep import refresh_scores
from services.health.listeners import LISTENERS
from shared.contracts.event import Event, Fact
from shared.contracts.onboarding import AccountOpened, ContactAdded, ContactLeft
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tests.conftest import NOON

ACME = "/api/v1/accounts/acme"


async def hear(database: Database, fact: Fact) -> None:
    event = Event.of(fact, time=NOON, cause=None, traceparent=None)
    for listener in LISTENERS:
        if listener.fact is type(fact):
            async with database.transaction(cause=event) as tx:
                await listener.handle(tx, fact)


async def said(database: Database) -> Sequence[str]:
    async with database.transaction() as tx:
        rows = await tx.fetch_all("SELECT type FROM outbox ORDER BY seq")
    return [row["type"].removeprefix("io.tenure.health.").removesuffix(".v1") for row in rows]


async def risks(csm: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    answer = await csm.get("/api/v1/risks", params=query)
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def test_a_failed_payment_is_a_risk_with_its_reason_and_what_to_do(
    csm: httpx.AsyncClient, health: Database
) -> None:
    answer = await csm.post(f"{ACME}/signals", json={"type": "payment_failed"})
    assert answer.status_code == 201
    (risk,) = await risks(csm, status="open")
    assert (risk["reason"], risk["severity"]) == ("payment_failed", "medium")
    assert risk["explanation"] == "A payment has failed (on 2026-03-02)."
    assert risk["next_step"].startswith("Ask billing")
    assert await said(health) == ["signal_recorded", "risk_opened"]


async def test_a_payment_that_succeeds_closes_the_risk(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await csm.post(f"{ACME}/signals", json={"type": "payment_failed"})
    clock.advance(timedelta(hours=1))
    await csm.post(f"{ACME}/signals", json={"type": "payment_recovered"})
    assert [risk["status"] for risk in await risks(csm)] == ["recovered"]
    assert (await said(health))[-1] == "risk_recovered"


async def test_a_second_failure_while_the_risk_is_open_is_not_told_again(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    for _ in range(3):
        await csm.post(f"{ACME}/signals", json={"type": "payment_failed"})
        clock.advance(timedelta(hours=1))
    assert (await said(health)).count("risk_opened") == 1


async def test_the_same_signal_sent_again_is_one_signal(csm: httpx.AsyncClient) -> None:
    body = {"type": "payment_failed", "external_id": "in_1042"}
    answers = [(await csm.post(f"{ACME}/signals", json=body)).json() for _ in range(2)]
    assert [answer["recorded"] for answer in answers] == [True, False]
    assert len((await csm.get(f"{ACME}/signals")).json()["data"]) == 1


async def test_a_champion_who_leaves_opens_a_risk_that_a_new_one_closes(
    csm: httpx.AsyncClient, health: Database
) -> None:
    left = ContactLeft(account_id="acme", contact_id="c1", role="champion", last_in_role=True)
    await hear(health, left)
    assert [risk["reason"] for risk in await risks(csm, status="open")] == ["champion_left"]
    added = ContactAdded(account_id="acme", contact_id="c2", role="champion")
    event = Event.of(added, time=NOON + timedelta(days=1), cause=None, traceparent=None)
    async with health.transaction(cause=event) as tx:
        await next(each for each in LISTENERS if each.fact is ContactAdded).handle(tx, added)
    assert await risks(csm, status="open") == []


async def test_a_user_or_a_champion_with_a_second_one_leaving_is_no_risk(
    csm: httpx.AsyncClient, health: Database
) -> None:
    for role, last in (("user", True), ("champion", False)):
        await hear(
            health, ContactLeft(account_id="acme", contact_id="c", role=role, last_in_role=last)
        )
    assert await risks(csm) == []


async def test_an_explanation_adds_up_to_the_score_exactly(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await csm.post(f"{ACME}/signals", json={"type": "nps_answered", "value": 3})
    await refresh_scores(health)
    before = clock.now()
    clock.advance(timedelta(days=2))
    await csm.post(f"{ACME}/signals", json={"type": "payment_failed"})
    await refresh_scores(health)
    since = before.isoformat()
    shown = (await csm.get(f"{ACME}/health/explain", params={"since": since})).json()
    assert sum(line["points"] for line in shown["lines"]) == pytest.approx(shown["score"], abs=1e-9)
    compared = shown["compared"]
    changes = sum(change["points"] for change in compared["changes"])
    assert changes == pytest.approx(shown["score"] - compared["score"], abs=1e-9)
    assert compared["changes"][0]["metric"] == "payments"
    assert "usage_ratio" in shown["missing"]


async def test_under_the_coverage_floor_the_band_is_unknown_and_never_red(
    csm: httpx.AsyncClient, health: Database
) -> None:
    await csm.post(f"{ACME}/signals", json={"type": "nps_answered", "value": 0})
    await refresh_scores(health)
    shown = (await csm.get(f"{ACME}/health")).json()
    assert shown["band"] == "unknown"
    assert shown["coverage"] < 0.35


async def test_accounts_come_in_pages_by_id(csm: httpx.AsyncClient, health: Database) -> None:
    for number in range(5):
        fact = AccountOpened(
            account_id=f"a{number}", name="A", segment="mid", time_zone="UTC", opened_at=NOON
        )
        await hear(health, fact)
    found, cursor = [], None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await csm.get("/api/v1/accounts", params=query)).json()
        found += [row["account_id"] for row in page["data"]]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert found == [f"a{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"type": "comet_sighted"}, "unknown_signal_type"),
        ({"type": "payment_failed", "observed_at": "2026-03-02T12:00:01Z"}, "signal_in_future"),
        ({"type": "payment_failed", "extra": 1}, "invalid_request"),
        ({"type": "payment_failed", "observed_at": "2026-03-02T12:00:00"}, "invalid_request"),
        ({}, "invalid_request"),
    ],
)
async def test_a_signal_that_makes_no_sense_is_refused(
    csm: httpx.AsyncClient, body: dict[str, Any], code: str
) -> None:
    answer = await csm.post(f"{ACME}/signals", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


@pytest.mark.parametrize("path", ["health", "health/explain", "usage"])
async def test_an_account_nobody_spoke_of_is_not_found(csm: httpx.AsyncClient, path: str) -> None:
    answer = await csm.get(f"/api/v1/accounts/nobody/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "account_unknown")
