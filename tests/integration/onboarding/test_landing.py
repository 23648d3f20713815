"""Plans on a real database: by hand, by usage, by time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.onboarding.usecases import landing
from shared.contracts.event import Fact
from shared.contracts.health import GroupIdentified, UsageMilestoneReached
from shared.contracts.renewals import ContractSigned
from shared.db import timers
from shared.db.timers import Timer
from shared.db.transaction import Database, Transaction

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BY_HAND = ("welcome_sent", "kickoff_held", "data_connected", "first_review")

Hear = Callable[[Fact], Awaitable[None]]


def used(at: datetime, milestone: str = "first_value") -> UsageMilestoneReached:
    return UsageMilestoneReached(account_id="acme", milestone=milestone, reached_at=at, users=3)


def signed(starts_on: date) -> ContractSigned:
    return ContractSigned(
        account_id="acme",
        contract_id="c1",
        starts_on=starts_on,
        ends_on=starts_on + timedelta(days=365),
        notice_date=starts_on + timedelta(days=275),
        auto_renew=True,
        seats=10,
        amount_minor=1_000_00,
        currency="EUR",
    )


async def opened(api: httpx.AsyncClient, **given: Any) -> None:
    response = await api.post("accounts", json={"account_id": "acme", "name": "Acme", **given})
    assert response.status_code == 201, response.text


async def complete(api: httpx.AsyncClient, key: str, body: Any = None) -> httpx.Response:
    return await api.post(f"accounts/acme/milestones/{key}/complete", json=body)


async def plan_of(api: httpx.AsyncClient) -> dict[str, Any]:
    plan: dict[str, Any] = (await api.get("accounts/acme/onboarding")).json()
    plan["by_key"] = {milestone["key"]: milestone for milestone in plan["milestones"]}
    return plan


def names(facts: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [name for name, _ in facts]


async def test_a_plan_shows_what_is_due_when_and_who_owns_it(api: httpx.AsyncClient) -> None:
    await opened(api)
    person = {"name": "Ana Brandt", "email": "ana@example.com"}
    await api.put("accounts/acme/owners/csm", json=person, headers={"If-Match": "*"})
    plan = await plan_of(api)
    kickoff = plan["by_key"]["kickoff_held"]
    assert (plan["template"], plan["days_open"], plan["days_to_first_value"]) == (
        "default@1",
        0,
        None,
    )
    assert (kickoff["due_on"], kickoff["owner"], kickoff["state"], kickoff["missing"]) == (
        "2026-03-09",
        person,
        "blocked",
        ["welcome_sent"],
    )


async def test_a_person_completes_a_milestone_once(api: httpx.AsyncClient, said: Any) -> None:
    await opened(api)
    await said()
    assert (await complete(api, "welcome_sent", {"done_by": "Ana"})).status_code == 200
    again = await complete(api, "welcome_sent", {"done_by": "Ben"})
    done = {m["key"]: m for m in again.json()["milestones"]}["welcome_sent"]
    assert (done["state"], done["completed_by"], done["done_by"]) == ("done", "manual", "Ana")
    ((name, data),) = await said()
    assert (name, data["milestone"], data["by"]) == (
        "milestone_completed",
        "welcome_sent",
        "manual",
    )


async def test_the_key_s_name_stands_for_a_person_who_is_not_named(api: httpx.AsyncClient) -> None:
    await opened(api)
    await complete(api, "welcome_sent")
    assert (await plan_of(api))["by_key"]["welcome_sent"]["done_by"] == "test"


async def test_missing_prerequisites_are_named(api: httpx.AsyncClient, said: Any) -> None:
    await opened(api)
    await said()
    response = await complete(api, "kickoff_held")
    assert (response.status_code, response.json()["code"]) == (409, "prerequisites_missing")
    assert response.json()["missing"] == ["welcome_sent"]
    assert await said() == []


async def test_an_unknown_milestone_or_an_empty_name_is_refused(api: httpx.AsyncClient) -> None:
    await opened(api)
    unknown = await complete(api, "kickoff")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "milestone_not_found")
    assert (await complete(api, "welcome_sent", {"done_by": " "})).status_code == 422
    assert (await complete(api, "welcome_sent", {"done_by": "A\u0000"})).status_code == 422


async def test_usage_reaches_first_value_whatever_a_person_still_has_to_tick_off(
    api: httpx.AsyncClient, said: Any, hear: Hear, clock: Any
) -> None:
    await opened(api, time_zone="Asia/Tokyo")
    await said()
    clock.advance(timedelta(days=9))
    await hear(used(datetime(2026, 3, 10, 15, 30, tzinfo=UTC)))
    (completed, milestone), (reached, first_value) = await said()
    assert (completed, milestone["by"]) == ("milestone_completed", "usage")
    # 12:00 UTC on the 2nd is the 2nd in Tokyo, 15:30 UTC on the 10th is the 11th there.
    assert (reached, first_value["days"]) == ("first_value_reached", 9)
    plan = await plan_of(api)
    assert (plan["days_to_first_value"], plan["first_value_at"]) == (9, "2026-03-10T15:30:00Z")
    assert plan["by_key"]["first_value"]["missing"] == ["data_connected"]


async def test_onboarding_is_completed_by_its_last_milestone(
    api: httpx.AsyncClient, said: Any, hear: Hear
) -> None:
    await opened(api)
    await hear(used(NOON))
    for key in BY_HAND:
        assert (await complete(api, key)).status_code == 200
    facts = await said()
    assert names(facts)[-1] == "onboarding_completed"
    assert names(facts).count("onboarding_completed") == 1
    assert names(facts).count("milestone_completed") == 5
    assert (await plan_of(api))["completed_at"] == "2026-03-02T12:00:00Z"


async def test_the_same_usage_heard_again_is_no_news(
    api: httpx.AsyncClient, said: Any, hear: Hear
) -> None:
    await opened(api)
    await hear(used(NOON))
    await said()
    await hear(used(NOON + timedelta(days=1)))
    assert await said() == []


async def test_usage_heard_before_the_account_counts_when_its_plan_is_opened(
    api: httpx.AsyncClient, said: Any, hear: Hear
) -> None:
    await hear(used(NOON - timedelta(days=2)))
    assert await said() == []
    await opened(api)
    facts = await said()
    assert names(facts) == [
        "account_opened",
        "onboarding_started",
        "milestone_completed",
        "first_value_reached",
    ]
    assert facts[-1][1]["days"] == 0


async def test_usage_of_an_account_without_a_plan_is_kept_and_not_said(
    api: httpx.AsyncClient, said: Any, hear: Hear
) -> None:
    await opened(api, start_onboarding=False)
    await said()
    await hear(used(NOON))
    assert await said() == []


async def test_a_milestone_is_overdue_when_its_day_is_over_where_the_account_is(
    api: httpx.AsyncClient, said: Any, pass_days: Any, clock: Any
) -> None:
    await opened(api, time_zone="America/New_York")
    await said()
    clock.set(datetime(2026, 3, 4, 4, 59, 59, tzinfo=UTC))
    await pass_days(0)
    assert await said() == []
    clock.set(datetime(2026, 3, 4, 5, 0, tzinfo=UTC))
    await pass_days(0)
    ((name, data),) = await said()
    assert (name, data["milestone"], data["due_on"]) == (
        "milestone_overdue",
        "welcome_sent",
        "2026-03-03",
    )
    shown = (await plan_of(api))["by_key"]["welcome_sent"]
    assert (shown["state"], shown["overdue_at"]) == ("overdue", "2026-03-04T05:00:00Z")


async def test_a_milestone_is_overdue_once_and_can_still_be_done(
    api: httpx.AsyncClient, said: Any, pass_days: Any
) -> None:
    await opened(api)
    await pass_days(100)
    assert names(await said()).count("milestone_overdue") == 5
    await pass_days(100)
    assert (await complete(api, "welcome_sent")).status_code == 200
    assert names(await said()) == ["milestone_completed"]
    done = (await plan_of(api))["by_key"]["welcome_sent"]
    assert done["state"] == "done"
    assert done["overdue_at"] is not None


async def test_what_is_done_in_time_is_never_overdue(
    api: httpx.AsyncClient, said: Any, hear: Hear, pass_days: Any, database: Database
) -> None:
    await opened(api)
    await hear(used(NOON))
    for key in BY_HAND:
        await complete(api, key)
    async with database.transaction() as tx:
        assert await tx.fetch_value("SELECT count(*) FROM timers") == 0
    await pass_days(100)
    assert "milestone_overdue" not in names(await said())


async def test_moving_the_account_to_another_zone_moves_its_deadlines(
    api: httpx.AsyncClient, said: Any, pass_days: Any, clock: Any
) -> None:
    await opened(api)
    change = {"time_zone": "Pacific/Honolulu"}
    await api.patch("accounts/acme", json=change, headers={"If-Match": "*"})
    await said()
    clock.set(datetime(2026, 3, 4, 9, 59, tzinfo=UTC))
    await pass_days(0)
    assert await said() == []
    clock.set(datetime(2026, 3, 4, 10, 0, tzinfo=UTC))
    await pass_days(0)
    assert names(await said()) == ["milestone_overdue"]


async def test_completing_while_the_deadline_fires_is_no_deadlock(
    api: httpx.AsyncClient, database: Database, clock: Any, said: Any
) -> None:
    await opened(api)
    await said()
    clock.advance(timedelta(days=2))
    claimed, go_on = asyncio.Event(), asyncio.Event()

    async def slow(tx: Transaction, timer: Timer) -> None:
        claimed.set()
        await go_on.wait()
        await landing.mark_overdue(tx, timer.account_id, timer.payload["milestone"])

    firing = asyncio.create_task(timers.fire_next(database, {landing.DEADLINE: slow}))
    await claimed.wait()
    completing = asyncio.create_task(complete(api, "welcome_sent"))
    await _wait_for_a_blocked_statement(database)
    go_on.set()
    assert await firing
    assert (await completing).status_code == 200
    assert names(await said()) == ["milestone_overdue", "milestone_completed"]


async def _wait_for_a_blocked_statement(database: Database) -> None:
    """Return when some transaction waits for another's lock: the race is on."""
    for _ in range(2000):
        async with database.transaction() as tx:
            waiting = await tx.fetch_value(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                "AND datname = current_database()"
            )
        if waiting:
            return
    pytest.fail("nothing ever waited")


async def test_two_people_complete_the_same_milestone_and_one_fact_is_said(
    api: httpx.AsyncClient, said: Any
) -> None:
    await opened(api)
    await said()
    both = await asyncio.gather(*(complete(api, "welcome_sent") for _ in range(3)))
    assert {response.status_code for response in both} == {200}
    assert names(await said()) == ["milestone_completed"]


async def test_a_product_that_names_an_unknown_account_opens_it_without_a_plan(
    api: httpx.AsyncClient, said: Any, hear: Hear
) -> None:
    traits = {"name": "Acme", "segment": "mid", "time_zone": "Mars/Olympus", "plan": "gold"}
    await hear(GroupIdentified(account_id="acme", traits=traits))
    ((name, data),) = await said()
    assert name == "account_opened"
    assert (data["name"], data["segment"], data["time_zone"]) == ("Acme", "mid", "UTC")
    assert (await api.get("accounts/acme/onboarding")).status_code == 404


async def test_a_product_renames_what_it_named_but_not_what_a_person_did(
    api: httpx.AsyncClient, said: Any, hear: Hear
) -> None:
    await hear(GroupIdentified(account_id="acme"))
    await hear(GroupIdentified(account_id="acme", traits={"name": "Acme"}))
    assert names(await said()) == ["account_opened", "account_changed"]
    change = {"name": "Acme GmbH"}
    await api.patch("accounts/acme", json=change, headers={"If-Match": "*"})
    await said()
    await hear(GroupIdentified(account_id="acme", traits={"name": "acme-2", "segment": "mid"}))
    ((_, data),) = await said()
    assert (data["name"], data["segment"]) == ("Acme GmbH", "mid")


async def test_an_account_a_person_opened_is_not_described_by_its_product(
    api: httpx.AsyncClient, said: Any, hear: Hear
) -> None:
    await opened(api)
    await said()
    await hear(GroupIdentified(account_id="acme", traits={"name": "x", "segment": "mid"}))
    assert await said() == []


async def test_a_contract_of_an_unknown_account_opens_it_and_its_plan(
    said: Any, hear: Hear
) -> None:
    await hear(signed(NOON.date()))
    assert names(await said()) == ["account_opened", "onboarding_started"]
    await hear(signed(NOON.date()))
    assert await said() == []


async def test_an_old_contract_of_an_unknown_account_opens_no_plan(said: Any, hear: Hear) -> None:
    await hear(signed(NOON.date() - timedelta(days=91)))
    assert names(await said()) == ["account_opened"]


async def test_a_contract_of_a_known_account_says_nothing(
    api: httpx.AsyncClient, said: Any, hear: Hear
) -> None:
    await opened(api, start_onboarding=False)
    await said()
    await hear(signed(NOON.date()))
    assert await said() == []


async def test_facts_about_one_unknown_account_at_once_open_it_once(said: Any, hear: Hear) -> None:
    await asyncio.gather(
        hear(GroupIdentified(account_id="acme")),
        hear(signed(NOON.date())),
        hear(used(NOON)),
    )
    assert names(await said()).count("account_opened") == 1
