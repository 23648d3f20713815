"""Signals: typed, validated, alone or in a list, and found in usage."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.health.domain.score.score import Signal
from services.health.jobs.upkeep import refresh_scores
from services.health.listeners import UsageStream
from services.health.storage.usage.usage import SCORED_AFTER_USAGE
from services.health.usecases.files.files import load_catalogue, load_profile
from services.health.usecases.signal.signals import record_signal
from shared.db import inbox
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tests.conftest import NOON, OpenClient
from tests.integration.health.test_usage_stream import GROUP, TOPIC, batch, event

ACME = "/api/v1/accounts/acme"


async def reasons(csm: httpx.AsyncClient) -> list[str]:
    found = (await csm.get("/api/v1/risks", params={"status": "open"})).json()["data"]
    return sorted(risk["reason"] for risk in found)


async def test_every_type_says_what_it_means_and_which_rule_uses_it(
    csm: httpx.AsyncClient,
) -> None:
    types = {one["name"]: one for one in (await csm.get("/api/v1/signal-types")).json()["data"]}
    assert len(types) >= 25
    failed = types["payment_failed"]
    assert failed["rules"][0]["decided_by"] == load_profile().label
    assert failed["score_inputs"] == ["commercial.payments"]
    burden = types["ticket_opened"]["rules"][0]
    assert (burden["reason"], burden["count"], burden["decided_by"]) == (
        "support_burden",
        5,
        "catalogue",
    )
    assert types["ticket_opened"]["score_inputs"] == ["support.tickets_30d"]
    assert types["nps_answered"]["value"]["send"] == "a whole number from 0 to 10"
    assert types["executive_changed"]["also_called"] == ["new_executive"]
    assert types["executive_changed"]["rules"][0]["reason"] == "new_executive"


@pytest.mark.parametrize("name", ["new_executive", "executive_changed"])
async def test_an_old_name_and_the_new_one_open_the_same_risk(
    csm: httpx.AsyncClient, name: str
) -> None:
    assert (await csm.post(f"{ACME}/signals", json={"type": name})).status_code == 201
    assert await reasons(csm) == ["new_executive"]


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "nps_answered", "value": 11}, "signal_value_invalid", "from 0 to 10"),
    ({"type": "nps_answered", "value": -1}, "signal_value_invalid", "from 0 to 10"),
    ({"type": "nps_answered", "value": 7.5}, "signal_value_invalid", "whole number"),
    ({"type": "nps_answered", "value": "ten"}, "signal_value_invalid", "from 0 to 10"),
    ({"type": "nps_answered"}, "signal_value_invalid", "not None"),
    ({"type": "csat_answered", "value": 0}, "signal_value_invalid", "from 1 to 5"),
    ({"type": "ces_answered", "value": 8}, "signal_value_invalid", "from 1 to 7"),
    ({"type": "outcome_checked_in", "value": 2}, "signal_value_invalid", "from 0 to 1"),
    ({"type": "pulse", "value": 101}, "signal_value_invalid", "from 0 to 100"),
    ({"type": "ticket_opened", "value": "now"}, "signal_value_invalid", "low, normal, high"),
    ({"type": "payment_failed", "value": 3}, "signal_value_invalid", "carries none"),
    ({"type": "mood"}, "unknown_signal_type", "is none of"),
    (
        {"type": "payment_failed", "observed_at": "2026-03-02T12:00:01Z"},
        "signal_in_future",
        "is after",
    ),
    ({"type": "payment_failed", "observed_at": "yesterday"}, "invalid_request", ""),
    ({"type": "payment_failed", "observed_at": "1969-12-31T23:59:59Z"}, "invalid_request", ""),
    ({"type": "payment_failed", "observed_at": "2026-03-01T12:00:00"}, "invalid_request", ""),
    ({"type": "payment_failed", "value": True}, "invalid_request", ""),
    ({"type": "payment_failed", "external_id": ""}, "invalid_request", ""),
    ({"type": "payment_failed", "external_id": "a\x00"}, "invalid_request", ""),
    ({"type": ""}, "invalid_request", ""),
    ({}, "invalid_request", ""),
]


async def test_a_wrong_signal_says_what_to_send(csm: httpx.AsyncClient) -> None:
    for body, code, words in WRONG:
        answer = await csm.post(f"{ACME}/signals", json=body)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, code), body
        assert words in problem["detail"], body
    assert (await csm.get(f"{ACME}/signals")).json()["data"] == []


async def test_a_choice_is_sent_by_its_name_or_its_number(csm: httpx.AsyncClient) -> None:
    for value in ("urgent", 4):
        await csm.post(f"{ACME}/signals", json={"type": "ticket_opened", "value": value})
    found = (await csm.get(f"{ACME}/signals")).json()["data"]
    assert [one["value"] for one in found] == [4, 4]


async def test_a_list_is_recorded_one_by_one(csm: httpx.AsyncClient) -> None:
    signals = [
        {"account_id": "zeta", "type": "payment_failed", "external_id": "1"},
        {"account_id": "acme", "type": "nps_answered", "value": 11},
        {"account_id": "zeta", "type": "payment_failed", "external_id": "1"},
        {"account_id": "acme", "type": "nps_answered", "value": 3},
    ]
    answer = (await csm.post("/api/v1/signals", json={"signals": signals})).json()
    assert (answer["recorded"], answer["refused"]) == (2, 1)
    assert [one["recorded"] for one in answer["outcomes"]] == [True, False, False, True]
    assert answer["outcomes"][1]["code"] == "signal_value_invalid"
    assert answer["outcomes"][2]["code"] is None


@pytest.mark.parametrize(
    "body",
    [
        {"signals": []},
        {"signals": [{"type": "payment_failed"}]},
        {"signals": [{"account_id": "a b", "type": "payment_failed"}]},
        {"signals": [{"account_id": "a", "type": "payment_failed"}] * 501},
        {},
    ],
)
async def test_a_list_that_is_none_is_refused_whole(
    csm: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    assert (await csm.post("/api/v1/signals", json=body)).status_code == 422


async def test_a_signal_of_pulse_is_a_pulse(csm: httpx.AsyncClient) -> None:
    await csm.post(f"{ACME}/signals", json={"type": "pulse", "value": 20})
    (pulse,) = (await csm.get(f"{ACME}/pulse")).json()["data"]
    assert (pulse["value"], pulse["band"], pulse["by"]) == (20, "at_risk", "test-backend")


async def test_the_fifth_ticket_in_six_months_is_a_burden_and_more_are_worse(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    severities: list[Sequence[str]] = []
    for _ in range(12):
        await csm.post(f"{ACME}/signals", json={"type": "ticket_opened", "value": "low"})
        clock.advance(timedelta(days=7))
        found = (await csm.get("/api/v1/risks", params={"status": "open"})).json()["data"]
        severities.append([risk["severity"] for risk in found])
    assert severities[3:5] == [[], ["medium"]]
    assert [one[0] for one in severities[5:]] == [*["medium"] * 2, *["high"] * 4, "critical"]


async def test_tickets_are_counted_by_the_score_from_the_first_one_on(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await csm.post(f"{ACME}/signals", json={"type": "nps_answered", "value": 9})
    await refresh_scores(health)
    assert (await tickets(csm))["signals"] == ["ticket_opened"]
    for _ in range(6):
        await csm.post(f"{ACME}/signals", json={"type": "ticket_opened", "value": "low"})
        clock.advance(timedelta(hours=1))
    await refresh_scores(health)
    line = await tickets(csm)
    assert (line["value"], line["points"]) == (6, 5.0)
    assert line["sentence"] == ("Tickets in 30 days: 6, normal is under 6: 5.0 of 10.0 points.")


async def tickets(csm: httpx.AsyncClient) -> Any:
    shown = (await csm.get(f"{ACME}/health/explain")).json()
    lines = [*shown["missing_inputs"], *shown["lines"]]
    return next(line for line in lines if line["metric"] == "tickets_30d")


async def test_pages_about_leaving_that_users_view_are_signals(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    async with health.transaction() as tx:
        await inbox.start_position(tx, GROUP, TOPIC, {0: 0}, log_id="test")
    stream = UsageStream(health, load_profile())
    await stream.handle([batch(event("1", type="Viewed Cancel subscription"))], GROUP)
    await refresh_scores(health)
    assert await reasons(csm) == []
    more = event("2", type="Viewed Billing", time="2026-03-01T11:00:00Z")
    await stream.handle([batch(more, start=1)], GROUP)
    clock.advance(SCORED_AFTER_USAGE)
    await refresh_scores(health)
    assert await reasons(csm) == ["cancellation_intent"]
    clock.advance(timedelta(hours=1))
    await csm.post(f"{ACME}/signals", json={"type": "cancellation_withdrawn"})
    assert await reasons(csm) == []


async def test_other_pages_are_no_signals(csm: httpx.AsyncClient, health: Database) -> None:
    async with health.transaction() as tx:
        await inbox.start_position(tx, GROUP, TOPIC, {0: 0}, log_id="test")
    pages = [event(str(n), type=f"Viewed Home {n}") for n in range(5)]
    await UsageStream(health, load_profile()).handle([batch(*pages)], GROUP)
    await refresh_scores(health)
    assert await reasons(csm) == []


async def test_a_fact_of_a_clock_that_runs_ahead_is_not_lost(health: Database) -> None:
    async with health.transaction() as tx:
        ahead = Signal("champion_left", NOON + timedelta(seconds=5))
        assert await record_signal(tx, "acme", ahead, ("onboarding", "e"))


async def test_a_signal_of_ones_own_file_opens_its_risk(
    open_client: OpenClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own: dict[str, dict[str, Any]]
    own = {"export_asked": {"title": "Somebody asked to export all data", "meaning": "A full one."}}
    own["export_asked"] |= {"direction": "bad", "half_life_days": 30, "next_step": "Ask why."}
    own["export_asked"] |= {"rules": {"export_asked": {"window_days": 30}}}
    (tmp_path / "own.yml").write_text(json.dumps({"types": own}))
    monkeypatch.setenv("TENURE_HEALTH_SIGNALS", str(tmp_path))
    load_catalogue.cache_clear()
    try:
        csm = await open_client("health", scopes=["health:read", "health:write"])
        await csm.post(f"{ACME}/signals", json={"type": "export_asked"})
        (risk,) = (await csm.get("/api/v1/risks")).json()["data"]
    finally:
        load_catalogue.cache_clear()
    assert (risk["title"], risk["next_step"]) == ("Somebody asked to export all data", "Ask why.")


async def test_what_is_sent_under_another_name_is_of_its_type(csm: httpx.AsyncClient) -> None:
    await csm.post("/api/v1/accounts/acme/signals", json={"type": "new_executive"})
    (kept,) = (await csm.get("/api/v1/accounts/acme/signals")).json()["data"]
    assert kept["type"] == "executive_changed"
