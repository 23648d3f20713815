"""What people do with risks: take on, put off, disagree; and what follows by time alone."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.health.jobs.upkeep import look_again
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tests.conftest import OpenClient

ACME = "/api/v1/accounts/acme"
DAY = timedelta(days=1)


async def said(database: Database) -> Sequence[str]:
    async with database.transaction() as tx:
        rows = await tx.fetch_all("SELECT type FROM outbox ORDER BY seq")
    return [row["type"].removeprefix("io.tenure.health.").removesuffix(".v1") for row in rows]


async def open_risk(csm: httpx.AsyncClient, signal: str = "payment_failed") -> dict[str, Any]:
    await csm.post(f"{ACME}/signals", json={"type": signal})
    answer = await csm.get("/api/v1/risks", params={"status": "open"})
    found: dict[str, Any] = answer.json()["data"][0]
    return found


async def do(
    csm: httpx.AsyncClient, risk: dict[str, Any], verb: str, **body: Any
) -> httpx.Response:
    return await csm.post(f"/api/v1/risks/{risk['id']}/{verb}", json=body)


def until(clock: FixedClock, days: float = 7) -> str:
    return (clock.now() + days * DAY).isoformat()


async def test_whoever_takes_a_risk_on_is_named_with_their_words(
    csm: httpx.AsyncClient, health: Database
) -> None:
    risk = await open_risk(csm)
    answer = await do(csm, risk, "acknowledge", by="Kim", note="I call them on Thursday.")
    shown = answer.json()
    assert (shown["status"], shown["version"]) == ("open", 2)
    assert answer.headers["etag"] == '"2"'
    assert (shown["handling"]["taken"], shown["handling"]["by"]) == ("acknowledged", "Kim")
    assert [each["kind"] for each in shown["timeline"]] == ["opened", "acknowledged"]
    assert (await said(health))[-1] == "risk_acknowledged"


async def test_the_name_of_the_key_stands_in_for_who_does_not_say(csm: httpx.AsyncClient) -> None:
    risk = await open_risk(csm)
    assert (await do(csm, risk, "acknowledge")).json()["handling"]["by"] == "test"


async def test_a_snoozed_risk_wakes_when_its_time_has_come(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    risk = await open_risk(csm)
    answer = await do(csm, risk, "snooze", reason="All on holiday.", until=until(clock))
    assert answer.json()["handling"]["until"] is not None
    clock.advance(6 * DAY)
    await look_again(health)
    assert "risk_awoke" not in await said(health)
    clock.advance(DAY)
    await look_again(health)
    await look_again(health)
    assert (await said(health)).count("risk_awoke") == 1
    shown = (await csm.get(f"/api/v1/risks/{risk['id']}")).json()
    assert shown["handling"] is None
    assert shown["timeline"][-1]["by"] == "health"


async def test_a_risk_that_is_back_says_why_and_what_to_do(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    risk = await open_risk(csm)
    await do(csm, risk, "snooze", reason="All on holiday.", until=until(clock))
    clock.advance(7 * DAY)
    await look_again(health)
    async with health.transaction() as tx:
        data = await tx.fetch_value(
            "SELECT payload -> 'data' FROM outbox WHERE type = 'io.tenure.health.risk_awoke.v1'"
        )
    assert (data["by"], data["severity"]) == ("health", risk["severity"])
    assert data["explanation"] == risk["explanation"]
    assert data["next_step"] == risk["next_step"]


async def test_a_snoozed_risk_that_is_over_when_its_time_has_come_is_not_back(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    risk = await open_risk(csm, "champion_left")
    clock.advance(170 * DAY)
    await do(csm, risk, "snooze", reason="A successor is coming.", until=until(clock, 11))
    clock.advance(11 * DAY)
    await look_again(health)
    assert (await said(health))[-1] == "risk_recovered"
    assert "risk_awoke" not in await said(health)


async def test_while_snoozed_nothing_is_told_until_it_gets_worse(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    for _ in range(5):
        await csm.post(f"{ACME}/signals", json={"type": "ticket_opened"})
    (risk,) = (await csm.get("/api/v1/risks")).json()["data"]
    assert (risk["reason"], risk["severity"]) == ("support_burden", "medium")
    await do(csm, risk, "snooze", reason="A migration.", until=until(clock, 30))
    told = len([each for each in await said(health) if each.startswith("risk_")])
    for _ in range(2):
        await csm.post(f"{ACME}/signals", json={"type": "ticket_opened"})
    assert len([each for each in await said(health) if each.startswith("risk_")]) == told
    await csm.post(f"{ACME}/signals", json={"type": "ticket_opened"})
    assert (await said(health))[-1] == "risk_worsened"
    shown = (await csm.get(f"/api/v1/risks/{risk['id']}")).json()
    assert (shown["severity"], shown["handling"]) == ("high", None)
    assert "8 times in 182 days" in shown["explanation"]


async def test_a_snoozed_risk_can_be_woken_by_hand_once(
    csm: httpx.AsyncClient, clock: FixedClock
) -> None:
    risk = await open_risk(csm)
    await do(csm, risk, "snooze", reason="Later.", until=until(clock))
    assert (await do(csm, risk, "unsnooze")).json()["handling"] is None
    again = await do(csm, risk, "unsnooze")
    assert (again.status_code, again.json()["code"]) == (409, "risk_not_snoozed")


async def test_who_disagrees_ends_the_risk_and_opens_a_disagreement(
    csm: httpx.AsyncClient, health: Database
) -> None:
    risk = await open_risk(csm)
    shown = (await do(csm, risk, "disagree", reason="Paid by wire.", by="Kim")).json()
    assert shown["status"] == "dismissed"
    (item,) = (await csm.get("/api/v1/disagreements", params={"status": "open"})).json()["data"]
    assert (item["subject"], item["believed"], item["by"]) == (
        f"risk:{risk['id']}",
        "no_risk",
        "Kim",
    )
    assert (await said(health))[-2:] == ["risk_dismissed", "disagreement_found"]
    assert (await csm.get("/api/v1/at-risk")).json()["data"] == []


async def test_what_was_dismissed_is_not_told_again_and_settles_when_the_reason_is_gone(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    risk = await open_risk(csm)
    await do(csm, risk, "disagree", reason="Paid by wire.")
    clock.advance(DAY)
    await csm.post(f"{ACME}/signals", json={"type": "payment_failed"})
    assert (await said(health)).count("risk_opened") == 1
    await csm.post(f"{ACME}/signals", json={"type": "payment_recovered"})
    clock.advance(timedelta(minutes=1))
    await csm.post(f"{ACME}/signals", json={"type": "payment_recovered"})
    shown = (await csm.get(f"/api/v1/risks/{risk['id']}")).json()
    assert shown["status"] == "recovered"
    assert "risk_recovered" not in await said(health)
    assert (await csm.get("/api/v1/disagreements", params={"status": "open"})).json()["data"] == []


async def test_disagreeing_may_carry_a_pulse(csm: httpx.AsyncClient) -> None:
    risk = await open_risk(csm)
    await do(csm, risk, "disagree", reason="They love it.", pulse={"rating": 5})
    (pulse,) = (await csm.get(f"{ACME}/pulse")).json()["data"]
    assert (pulse["value"], pulse["band"], pulse["comment"]) == (100, "healthy", "They love it.")


async def test_a_comment_is_added_to_the_timeline_even_of_a_risk_that_is_over(
    csm: httpx.AsyncClient,
) -> None:
    risk = await open_risk(csm)
    await do(csm, risk, "disagree", reason="No.")
    shown = (await do(csm, risk, "comment", reason="We were right.")).json()
    assert [each["kind"] for each in shown["timeline"]] == ["opened", "dismissed", "comment"]


async def test_a_change_made_from_an_old_version_is_refused(csm: httpx.AsyncClient) -> None:
    risk = await open_risk(csm)
    await do(csm, risk, "acknowledge")
    path = f"/api/v1/risks/{risk['id']}/acknowledge"
    late = await csm.post(path, json={}, headers={"If-Match": '"1"'})
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert (await csm.post(path, json={}, headers={"If-Match": '"2"'})).status_code == 200


async def test_the_same_request_twice_under_one_key_is_done_once(csm: httpx.AsyncClient) -> None:
    risk = await open_risk(csm)
    path, key = f"/api/v1/risks/{risk['id']}/comment", {"Idempotency-Key": uuid4().hex}
    answers = [await csm.post(path, json={"reason": "Once."}, headers=key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    shown = (await csm.get(f"/api/v1/risks/{risk['id']}")).json()
    assert [each["kind"] for each in shown["timeline"]] == ["opened", "comment"]


@pytest.mark.parametrize("verb", ["acknowledge", "snooze", "unsnooze", "disagree"])
async def test_a_risk_that_is_over_cannot_be_handled(
    csm: httpx.AsyncClient, clock: FixedClock, verb: str
) -> None:
    risk = await open_risk(csm)
    clock.advance(timedelta(hours=1))
    await csm.post(f"{ACME}/signals", json={"type": "payment_recovered"})
    body = {"snooze": {"reason": "x", "until": until(clock)}, "disagree": {"reason": "x"}}
    answer = await do(csm, risk, verb, **body.get(verb, {}))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "risk_not_open")
    said = "the risk is recovered, not open; a comment can be added all the same"
    assert problem["detail"] == said


WRONG: list[tuple[str, dict[str, Any], int, str]] = [
    ("acknowledge", {"note": ""}, 422, "invalid_request"),
    ("acknowledge", {"note": "a\x00b"}, 422, "invalid_request"),
    ("acknowledge", {"who": "Kim"}, 422, "invalid_request"),
    ("snooze", {"reason": "x"}, 422, "invalid_request"),
    ("snooze", {"until": "2026-03-09T12:00:00Z"}, 422, "invalid_request"),
    ("snooze", {"reason": "x", "until": "2026-03-09T12:00:00"}, 422, "invalid_request"),
    ("snooze", {"reason": "x", "until": "2026-03-01T12:00:00Z"}, 422, "snooze_too_long"),
    ("snooze", {"reason": "x", "until": "2027-03-01T12:00:00Z"}, 422, "snooze_too_long"),
    ("unsnooze", {}, 409, "risk_not_snoozed"),
    ("disagree", {}, 422, "invalid_request"),
    ("disagree", {"reason": "x", "pulse": {}}, 422, "invalid_request"),
    ("disagree", {"reason": "x", "pulse": {"rating": 6}}, 422, "invalid_request"),
    ("disagree", {"reason": "x", "pulse": {"rating": 1, "value": 3}}, 422, "invalid_request"),
    ("comment", {}, 422, "invalid_request"),
    ("comment", {"reason": "x" * 2001}, 422, "invalid_request"),
]


async def test_a_wrong_request_says_what_is_wrong_and_changes_nothing(
    csm: httpx.AsyncClient,
) -> None:
    risk = await open_risk(csm)
    for verb, body, status, code in WRONG:
        answer = await do(csm, risk, verb, **body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (verb, body)
    shown = (await csm.get(f"/api/v1/risks/{risk['id']}")).json()
    assert (shown["version"], len(shown["timeline"])) == (1, 1)


@pytest.mark.parametrize("verb", ["acknowledge", "unsnooze", "comment"])
async def test_a_risk_nobody_knows_is_not_found(csm: httpx.AsyncClient, verb: str) -> None:
    answer = await csm.post(
        f"/api/v1/risks/{uuid4()}/{verb}", json={"reason": "x"} if verb == "comment" else {}
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "risk_not_found")
    wrong = await csm.post(f"/api/v1/risks/nothing/{verb}", json={})
    assert wrong.status_code == 422


async def test_a_key_that_only_reads_cannot_handle_risks(
    csm: httpx.AsyncClient, open_client: OpenClient
) -> None:
    risk = await open_risk(csm)
    reader = await open_client("health", scopes=["health:read"])
    assert (await do(reader, risk, "acknowledge")).status_code == 403


async def test_time_alone_closes_a_risk_whose_signal_has_faded(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await open_risk(csm, "champion_left")
    clock.advance(179 * DAY)
    await look_again(health)
    assert "risk_recovered" not in await said(health)
    clock.advance(DAY + timedelta(minutes=1))
    await look_again(health)
    assert (await said(health))[-1] == "risk_recovered"
    await look_again(health)
    async with health.transaction() as tx:
        assert await tx.fetch_value("SELECT count(*) FROM looks") == 0


async def test_a_fact_after_the_end_of_the_last_one_opens_at_once(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await open_risk(csm)
    clock.advance(timedelta(hours=1))
    await csm.post(f"{ACME}/signals", json={"type": "payment_recovered"})
    clock.advance(DAY)
    await csm.post(f"{ACME}/signals", json={"type": "payment_failed"})
    assert (await said(health)).count("risk_opened") == 2


async def test_a_fact_that_comes_late_opens_when_the_cool_down_ends(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await open_risk(csm, "champion_left")
    clock.advance(181 * DAY)
    await look_again(health)
    # Observed before the first had faded, and noted a day after.
    late = (clock.now() - 2 * DAY).isoformat()
    await csm.post(f"{ACME}/signals", json={"type": "champion_left", "observed_at": late})
    assert (await said(health)).count("risk_opened") == 1
    clock.advance(31 * DAY)
    await look_again(health)
    assert (await said(health)).count("risk_opened") == 2


async def test_after_a_mistake_was_taken_back_a_true_one_opens_at_once(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    observed = (clock.now() - 3 * DAY).isoformat()
    await open_risk(csm, "promise_broken")
    (signal,) = (await csm.get(f"{ACME}/signals")).json()["data"]
    await csm.post(f"{ACME}/signals/{signal['id']}/retract", json={"reason": "It was kept."})
    await csm.post(f"{ACME}/signals", json={"type": "promise_broken", "observed_at": observed})
    assert [what for what in await said(health) if what.startswith("risk")] == [
        "risk_opened",
        "risk_recovered",
        "risk_opened",
    ]


async def test_an_end_that_was_taken_back_opens_the_risk_again_at_once(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await open_risk(csm, "champion_left")
    clock.advance(DAY)
    await csm.post(f"{ACME}/signals", json={"type": "champion_named"})
    named = (await csm.get(f"{ACME}/signals")).json()["data"][0]
    clock.advance(DAY)
    await csm.post(f"{ACME}/signals/{named['id']}/retract", json={"reason": "Not with them."})
    assert (await said(health))[-1] == "risk_opened"


async def test_a_signal_taken_back_closes_what_it_opened(
    csm: httpx.AsyncClient, health: Database
) -> None:
    await open_risk(csm)
    (signal,) = (await csm.get(f"{ACME}/signals")).json()["data"]
    path = f"{ACME}/signals/{signal['id']}/retract"
    answer = await csm.post(path, json={"reason": "Another customer's invoice.", "by": "Kim"})
    assert answer.status_code == 204
    assert (await said(health))[-2:] == ["signal_retracted", "risk_recovered"]
    (kept,) = (await csm.get(f"{ACME}/signals")).json()["data"]
    assert (kept["retracted_by"], kept["retraction"]) == ("Kim", "Another customer's invoice.")
    again = await csm.post(path, json={"reason": "x"})
    assert (again.status_code, again.json()["code"]) == (409, "signal_retracted_already")
    unknown = await csm.post(f"{ACME}/signals/{uuid4()}/retract", json={"reason": "x"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "signal_not_found")
