"""What expansion hears and says, through its listeners and timers, on a real Postgres."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

from services.expansion import storage
from services.expansion.domain.opportunity import Opportunity
from services.expansion.jobs import JOBS
from shared.contracts.health import RiskDismissed
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tests.builders.expansion import (
    TODAY,
    account_opened,
    contract_signed,
    onboarding_completed,
    onboarding_started,
    risk_opened,
    risk_recovered,
    usage,
)
from tests.conftest import NOON, OpenDatabase
from tests.integration.expansion.hearing import hear


async def fire_timers(database: Database) -> None:
    while await JOBS[0].run(database):
        pass


async def the_opportunities(database: Database) -> list[Opportunity]:
    async with database.transaction() as tx:
        return await storage.opportunities(
            tx, account_id="acme", status=None, before=None, limit=10
        )


async def last_said(database: Database) -> Any:
    async with database.transaction() as tx:
        return await tx.fetch_value("SELECT payload FROM outbox ORDER BY seq DESC LIMIT 1")


async def test_seats_nearly_used_up_open_an_opportunity(open_database: OpenDatabase) -> None:
    database = await open_database("expansion")

    assert await hear(database, contract_signed()) == []
    assert await hear(database, usage()) == ["limit_approaching", "opportunity_opened"]

    said = (await last_said(database))["data"]
    assert said["utilisation"] == 0.92
    assert said["explanation"] == "23 of 25 seats were active in the last 28 days (92 %)"


async def test_the_order_in_which_seats_and_usage_come_does_not_matter(
    open_database: OpenDatabase,
) -> None:
    database = await open_database("expansion")

    assert await hear(database, usage()) == []
    assert await hear(database, contract_signed()) == ["limit_approaching", "opportunity_opened"]


async def test_the_limit_is_said_once_until_usage_fell_under_80_percent(
    open_database: OpenDatabase,
) -> None:
    database = await open_database("expansion")
    days = [TODAY + timedelta(days=number) for number in range(6)]
    await hear(database, contract_signed())

    said = [
        await hear(database, usage(n, day))
        for n, day in zip([22, 24, 20, 22], days[:4], strict=True)
    ]
    released = await hear(database, usage(19, days[4]))
    again = await hear(database, usage(22, days[5]))

    assert said == [["limit_approaching", "opportunity_opened"], [], [], []]
    assert released == []
    assert again == ["limit_approaching"]
    assert len(await the_opportunities(database)) == 1


async def test_an_older_day_changes_nothing(open_database: OpenDatabase) -> None:
    database = await open_database("expansion")
    await hear(database, contract_signed(), usage(10))

    assert await hear(database, usage(25, TODAY - timedelta(days=1))) == []


async def test_nothing_is_offered_while_landing(
    open_database: OpenDatabase, clock: FixedClock
) -> None:
    database = await open_database("expansion")
    await hear(database, account_opened("Europe/Berlin"), onboarding_started(date(2026, 4, 1)))
    assert await hear(database, contract_signed(), usage()) == [
        "limit_approaching",
        "opportunity_withheld",
    ]
    said = (await last_said(database))["data"]
    assert (said["because"], said["until"]) == (["landing"], "2026-04-01")

    clock.set(datetime(2026, 3, 31, 21, 59, 59, tzinfo=UTC))
    await fire_timers(database)
    assert [each.status for each in await the_opportunities(database)] == ["withheld"]

    clock.set(datetime(2026, 3, 31, 22, 0, tzinfo=UTC))
    await fire_timers(database)
    assert [each.status for each in await the_opportunities(database)] == ["open"]
    assert (await last_said(database))["type"].endswith("opportunity_opened.v1")


async def test_onboarding_completed_early_opens_at_once(open_database: OpenDatabase) -> None:
    database = await open_database("expansion")
    await hear(database, onboarding_started(), contract_signed(), usage())

    assert await hear(database, onboarding_completed()) == ["opportunity_opened"]
    async with database.transaction() as tx:
        assert await tx.fetch_value("SELECT count(*) FROM timers") == 0


async def test_a_zone_heard_later_moves_the_end_of_landing(open_database: OpenDatabase) -> None:
    database = await open_database("expansion")
    await hear(database, onboarding_started(date(2026, 4, 1)), account_opened("Asia/Tokyo"))

    async with database.transaction() as tx:
        rows = await tx.fetch_all("SELECT due_at FROM timers")

    assert [row["due_at"] for row in rows] == [datetime(2026, 3, 31, 15, tzinfo=UTC)]


async def test_an_open_risk_holds_until_it_recovers(open_database: OpenDatabase) -> None:
    database = await open_database("expansion")
    await hear(database, risk_opened("one"), risk_opened("two", "champion_left"))

    assert await hear(database, contract_signed(), usage()) == [
        "limit_approaching",
        "opportunity_withheld",
    ]
    assert await hear(database, risk_recovered("one")) == []
    (held,) = await the_opportunities(database)
    assert held.because == ("risk:champion_left",)
    assert await hear(database, risk_recovered("two")) == ["opportunity_opened"]


async def test_a_risk_withholds_what_was_already_open(open_database: OpenDatabase) -> None:
    database = await open_database("expansion")
    await hear(database, contract_signed(), usage())

    assert await hear(database, risk_opened()) == ["opportunity_withheld"]
    assert await hear(database, risk_opened()) == []
    assert await hear(database, risk_recovered()) == ["opportunity_opened"]
    assert len(await the_opportunities(database)) == 1


async def test_a_risk_that_a_person_dismissed_holds_nothing(open_database: OpenDatabase) -> None:
    database = await open_database("expansion")
    await hear(database, contract_signed(), usage(), risk_opened())
    dismissed = RiskDismissed(
        account_id="acme",
        risk_id="risk-1",
        reason="usage_drop",
        by="Kim",
        note=None,
        dismissed_at=NOON,
    )

    assert await hear(database, dismissed) == ["opportunity_opened"]


async def test_a_recovery_heard_before_its_risk_wins(open_database: OpenDatabase) -> None:
    database = await open_database("expansion")
    await hear(database, contract_signed(), risk_recovered(), risk_opened())

    assert await hear(database, usage()) == ["limit_approaching", "opportunity_opened"]


async def test_what_is_withheld_lapses_when_more_seats_are_bought(
    open_database: OpenDatabase,
) -> None:
    database = await open_database("expansion")
    await hear(database, contract_signed(), risk_opened(), usage())

    bought = contract_signed(50, "two", starts_on=date(2026, 2, 1))
    assert await hear(database, bought, risk_recovered()) == ["opportunity_lapsed"]
    (lapsed,) = await the_opportunities(database)
    assert lapsed.status == "lapsed"


async def test_usage_and_a_risk_at_the_same_moment_see_each_other(
    open_database: OpenDatabase,
) -> None:
    database = await open_database("expansion")
    await hear(database, contract_signed())

    await asyncio.gather(hear(database, usage()), hear(database, risk_opened()))

    (opportunity,) = await the_opportunities(database)
    assert (opportunity.status, opportunity.because) == ("withheld", ("risk:usage_drop",))
