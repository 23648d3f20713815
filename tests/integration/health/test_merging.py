"""Reasons that tell one story are one headline: silence before drop before dip."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx

from services.health.domain.profile.profile import Severity
from services.health.domain.risk.risk import Finding, Reason, RiskRule, Stage
from services.health.usecases.files.files import load_profile
from services.health.usecases.risk.risks import settle
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock

RULE = RiskRule(cool_down=timedelta(days=7))
GONE, PRESENT, LINGERING = Stage.GONE, Stage.PRESENT, Stage.LINGERING


def found(
    reason: Reason, stage: Stage, severity: Severity = Severity.HIGH
) -> tuple[Finding, RiskRule]:
    return Finding("acme", reason, stage, severity, {"seen": 1}, f"{reason}.", "Call."), RULE


async def see(
    health: Database, clock: FixedClock, *findings: tuple[Finding, RiskRule]
) -> Sequence[str]:
    """Settle what a sealed day says; return the facts that were said, with their reasons."""
    clock.advance(timedelta(days=1))
    async with health.transaction() as tx:
        await settle(tx, "acme", findings, load_profile(), tx.now)
        return [f"{each.type.split('.')[3]} {each.data.get('reason', '')}" for each in tx.emitted]


async def shown(csm: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    return {risk["reason"]: risk for risk in (await csm.get("/api/v1/risks")).json()["data"]}


async def test_a_stronger_reason_takes_the_weaker_in_and_gives_it_back(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    dip = found(Reason.USAGE_DIP, PRESENT, Severity.LOW)
    drop = found(Reason.USAGE_DROP, PRESENT)
    assert await see(health, clock, dip) == ["risk_opened usage_dip_week_over_week"]
    assert await see(health, clock, drop, dip) == [
        "risk_opened usage_drop",
        "risk_merged usage_dip_week_over_week",
    ]
    risks = await shown(csm)
    assert risks["usage_dip_week_over_week"]["status"] == "merged"
    head = (await csm.get(f"/api/v1/risks/{risks['usage_drop']['id']}")).json()
    assert [one["reason"] for one in head["merged"]] == ["usage_dip_week_over_week"]
    (ranked,) = (await csm.get("/api/v1/at-risk")).json()["data"]
    assert [one["reason"] for one in ranked["risks"]] == ["usage_drop"]
    merged = risks["usage_dip_week_over_week"]["id"]
    refused = await csm.post(f"/api/v1/risks/{merged}/acknowledge", json={})
    assert (refused.status_code, refused.json()["merged_into"]) == (409, head["id"])
    # The drop is over, the dip is still there: it goes on, and nobody is told twice.
    gone = found(Reason.USAGE_DROP, GONE)
    assert await see(health, clock, gone, dip) == ["risk_recovered usage_drop"]
    assert (await shown(csm))["usage_dip_week_over_week"]["status"] == "open"
    over = found(Reason.USAGE_DIP, GONE)
    assert await see(health, clock, over) == ["risk_recovered usage_dip_week_over_week"]


async def test_a_recovery_names_the_told_reason_that_goes_on(
    health: Database, clock: FixedClock
) -> None:
    def all_of(silence: Stage, drop: Stage, dip: Stage) -> list[tuple[Finding, RiskRule]]:
        reasons = (Reason.SILENCE, Reason.USAGE_DROP, Reason.USAGE_DIP)
        return [found(*one) for one in zip(reasons, (silence, drop, dip), strict=True)]

    await see(health, clock, *all_of(GONE, GONE, PRESENT))
    await see(health, clock, *all_of(GONE, PRESENT, PRESENT))
    await see(health, clock, *all_of(PRESENT, PRESENT, PRESENT))
    # Back from silence: the dip is over, and the drop stands alone again without a word.
    await see(health, clock, *all_of(GONE, LINGERING, GONE))
    await see(health, clock, *all_of(GONE, GONE, GONE))
    async with health.transaction() as tx:
        rows = await tx.fetch_all(
            "SELECT payload FROM outbox WHERE type LIKE '%risk_recovered%' ORDER BY seq"
        )
    said = [
        (row["payload"]["data"]["reason"], row["payload"]["data"].get("still_open")) for row in rows
    ]
    assert said == [
        ("silence", "usage_drop"),
        ("usage_dip_week_over_week", "usage_drop"),
        ("usage_drop", None),
    ]


async def test_a_told_reason_says_each_time_another_one_tells_it(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    dip, drop = found(Reason.USAGE_DIP, PRESENT), found(Reason.USAGE_DROP, PRESENT)
    silence, back = found(Reason.SILENCE, PRESENT), found(Reason.SILENCE, GONE)
    await see(health, clock, dip)
    await see(health, clock, dip, silence)
    assert await see(health, clock, dip, drop, silence) == []
    # The drop was never told: it opens, and takes the dip in that people know of.
    assert await see(health, clock, dip, drop, back) == [
        "risk_recovered silence",
        "risk_opened usage_drop",
        "risk_merged usage_dip_week_over_week",
    ]
    risks = await shown(csm)
    merged = risks["usage_dip_week_over_week"]
    assert merged["merged_into"] == risks["usage_drop"]["id"]
    timeline = (await csm.get(f"/api/v1/risks/{merged['id']}")).json()["timeline"]
    assert [each["kind"] for each in timeline] == ["opened", "merged", "merged"]


async def test_a_weaker_reason_that_comes_later_is_told_only_when_it_stands_alone(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    silence = found(Reason.SILENCE, PRESENT)
    drop = found(Reason.USAGE_DROP, PRESENT)
    assert await see(health, clock, silence) == ["risk_opened silence"]
    assert await see(health, clock, drop, silence) == []
    back = found(Reason.SILENCE, GONE)
    assert await see(health, clock, drop, back) == [
        "risk_recovered silence",
        "risk_opened usage_drop",
    ]


async def test_a_weaker_reason_that_goes_first_is_never_told(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    silence = found(Reason.SILENCE, PRESENT)
    await see(health, clock, silence, found(Reason.USAGE_DROP, PRESENT))
    assert await see(health, clock, silence, found(Reason.USAGE_DROP, GONE)) == []
    assert list(await shown(csm)) == ["silence"]


async def test_the_headline_is_as_bad_as_the_worst_it_tells(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    silence = found(Reason.SILENCE, PRESENT, Severity.HIGH)
    drop = found(Reason.USAGE_DROP, PRESENT, Severity.CRITICAL)
    await see(health, clock, silence)
    assert await see(health, clock, silence, drop) == ["risk_worsened silence"]
    assert (await shown(csm))["silence"]["severity"] == "critical"


async def test_who_disagrees_with_the_headline_disagrees_with_the_story(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    dip = found(Reason.USAGE_DIP, PRESENT, Severity.LOW)
    drop = found(Reason.USAGE_DROP, PRESENT)
    await see(health, clock, dip)
    await see(health, clock, dip, drop)
    head = (await shown(csm))["usage_drop"]["id"]
    await csm.post(f"/api/v1/risks/{head}/disagree", json={"reason": "They moved to the API."})
    assert {risk["status"] for risk in (await shown(csm)).values()} == {"dismissed"}
    assert await see(health, clock, dip, drop) == []
    gone = [found(reason, GONE) for reason in (Reason.USAGE_DIP, Reason.USAGE_DROP)]
    assert await see(health, clock, *gone) == ["disagreement_resolved "]
    assert {risk["status"] for risk in (await shown(csm)).values()} == {"recovered"}
    assert (await csm.get("/api/v1/disagreements", params={"status": "open"})).json()["data"] == []
