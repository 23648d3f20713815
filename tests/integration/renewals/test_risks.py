"""Risks and recoveries, as listeners hear them, on a real Postgres."""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta

from services.renewals import storage, usecases
from services.renewals.domain.renewal import Decision, Renewal
from services.renewals.domain.save import Save
from services.renewals.listeners import note_dismissal, note_recovery, note_risk
from shared.contracts.event import Event, Fact
from shared.contracts.health import RiskDismissed, RiskRecovered
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tests.builders.renewals import an_order, risk_opened, risk_recovered, risk_worsened
from tests.conftest import NOON, OpenDatabase


async def hear(database: Database, fact: Fact) -> Sequence[Event]:
    async with database.transaction() as tx:
        if isinstance(fact, RiskRecovered):
            await note_recovery(tx, fact)
        else:
            await note_risk(tx, fact)  # type: ignore[arg-type]
        return tx.emitted


async def sign(database: Database, **order: date) -> Sequence[Event]:
    async with database.transaction() as tx:
        await usecases.sign_contract(tx, an_order(**order))
        return tx.emitted


async def the_renewal(database: Database) -> Renewal:
    async with database.transaction() as tx:
        (renewal,) = await storage.undecided_renewals(tx, "acme")
    return renewal


async def the_saves(database: Database) -> list[Save]:
    async with database.transaction() as tx:
        return await storage.saves(tx, account_id="acme", is_open=None, before=None, limit=10)


async def test_a_risk_lowers_the_probability_and_opens_a_save(open_database: OpenDatabase) -> None:
    database = await open_database("renewals")
    await sign(database)

    (event,) = await hear(database, risk_opened())

    assert event.type == "io.tenure.renewals.renewal_at_risk.v1"
    assert (event.data["previous_probability"], event.data["probability"]) == (0.85, 0.694)
    assert event.data["auto_renew"] is False
    (save,) = await the_saves(database)
    assert save.is_open
    assert event.data["save_id"] == str(save.save_id)
    assert (await the_renewal(database)).assessment.probability == 0.694


async def test_a_second_risk_joins_the_open_save(open_database: OpenDatabase) -> None:
    database = await open_database("renewals")
    await sign(database)

    await hear(database, risk_opened("one"))
    await hear(database, risk_opened("two"))

    (save,) = await the_saves(database)
    assert [reason.risk_id for reason in save.reasons] == ["one", "two"]


async def test_a_risk_told_twice_counts_once(open_database: OpenDatabase) -> None:
    database = await open_database("renewals")
    await sign(database)
    await hear(database, risk_opened())
    before = await the_renewal(database)

    assert await hear(database, risk_opened()) == ()
    assert await the_renewal(database) == before


async def test_a_worse_risk_lowers_further(open_database: OpenDatabase) -> None:
    database = await open_database("renewals")
    await sign(database)
    await hear(database, risk_opened(severity="high"))

    (event,) = await hear(database, risk_worsened(severity="critical"))

    assert event.data["probability"] < event.data["previous_probability"]
    assert len((await the_renewal(database)).assessment.risks) == 1


async def test_recovery_restores_and_closes_the_save_with_its_last_reason(
    open_database: OpenDatabase,
) -> None:
    database = await open_database("renewals")
    await sign(database)
    await hear(database, risk_opened("one"))
    await hear(database, risk_opened("two"))

    (halfway,) = await hear(database, risk_recovered("one"))
    (done,) = await hear(database, risk_recovered("two"))

    assert (halfway.data["save_closed"], done.data["save_closed"]) == (False, True)
    assert done.data["probability"] == 0.85
    assert [save.outcome for save in await the_saves(database)] == ["recovered"]
    assert await hear(database, risk_recovered("two")) == ()


async def test_a_contract_signed_later_starts_with_the_open_risks(
    open_database: OpenDatabase,
) -> None:
    database = await open_database("renewals")
    await hear(database, risk_opened("one"))
    await hear(database, risk_opened("two"))
    await hear(database, risk_opened("gone"))
    await hear(database, risk_recovered("gone"))

    signed, first, second = await sign(database)

    assert signed.type.endswith("contract_signed.v1")
    assert first.data["probability"] == second.data["previous_probability"]
    (save,) = await the_saves(database)
    assert [reason.risk_id for reason in save.reasons] == ["one", "two"]


async def test_a_recovery_heard_before_its_risk_wins(open_database: OpenDatabase) -> None:
    database = await open_database("renewals")
    await sign(database)

    assert await hear(database, risk_recovered()) == ()
    assert await hear(database, risk_opened()) == ()
    assert await the_saves(database) == []


async def test_a_term_that_is_over_cannot_be_at_risk(
    open_database: OpenDatabase, clock: FixedClock
) -> None:
    database = await open_database("renewals")
    yesterday = clock.now().date() - timedelta(days=1)
    await sign(database, starts_on=yesterday - timedelta(days=364), ends_on=yesterday)

    assert await hear(database, risk_opened()) == ()


async def test_a_decided_renewal_keeps_what_it_was_decided_on(open_database: OpenDatabase) -> None:
    database = await open_database("renewals")
    await sign(database)
    await hear(database, risk_opened())
    async with database.transaction() as tx:
        (renewal,) = await storage.undecided_renewals(tx, "acme")
        decision = Decision("lost", "Budget", by="jo", at=NOON)
        await usecases.decide_renewal(tx, renewal, decision)

    assert await hear(database, risk_recovered()) == ()
    async with database.transaction() as tx:
        kept = await storage.renewal(tx, "acme", renewal.renewal_id)
        waiting = await tx.fetch_value("SELECT count(*) FROM timers WHERE fired_at IS NULL")
    assert kept is not None
    assert kept.assessment.probability == 0.694
    assert waiting == 0
    assert [save.outcome for save in await the_saves(database)] == ["lost"]


async def test_a_contract_and_a_risk_at_the_same_moment_see_each_other(
    open_database: OpenDatabase,
) -> None:
    database = await open_database("renewals")

    for number in range(5):
        await asyncio.gather(sign(database), hear(database, risk_opened(f"risk-{number}")))

    async with database.transaction() as tx:
        renewals = await storage.undecided_renewals(tx, "acme")
    assert [len(renewal.assessment.risks) for renewal in renewals] == [5] * 5


async def test_a_risk_that_a_person_dismissed_restores_the_renewal_and_closes_its_save(
    open_database: OpenDatabase,
) -> None:
    database = await open_database("renewals")
    await sign(database)
    opened = risk_opened()
    await hear(database, opened)
    dismissed = RiskDismissed(
        account_id="acme",
        risk_id=opened.risk_id,
        reason=opened.reason,
        by="Kim",
        note="They moved to our API.",
        dismissed_at=NOON,
    )

    async with database.transaction() as tx:
        await note_dismissal(tx, dismissed)
        (event,) = tx.emitted

    assert event.type == "io.tenure.renewals.renewal_restored.v1"
    assert (await the_renewal(database)).assessment.probability == 0.85
    assert [save.is_open for save in await the_saves(database)] == [False]
