"""Contracts and the windows before their notice date, on a real Postgres."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from services.renewals import storage, usecases
from services.renewals.domain.contract import Contract, TermChange
from services.renewals.jobs import JOBS
from services.renewals.listeners import note_account
from shared.db.errors import is_unavailable
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tests.builders.renewals import account_opened, an_order
from tests.conftest import OpenDatabase

NOTICE = date(2026, 10, 2)


async def sign(database: Database, **order: Any) -> Contract:
    async with database.transaction() as tx:
        return await usecases.sign_contract(tx, an_order(**order))


async def amend(database: Database, contract: Contract, **change: Any) -> Contract:
    async with database.transaction() as tx:
        before = await usecases.contract_to_amend(tx, contract.account_id, contract.contract_id)
        return await usecases.amend_contract(tx, before, TermChange(**change))


async def fire_timers(database: Database) -> None:
    while await JOBS[0].run(database):
        pass


async def windows_said(database: Database) -> list[tuple[int, str]]:
    async with database.transaction() as tx:
        rows = await tx.fetch_all(
            "SELECT payload -> 'data' AS data FROM outbox "
            "WHERE type LIKE '%renewal_window_opened%' ORDER BY seq"
        )
    return [(row["data"]["window_days"], row["data"]["notice_date"]) for row in rows]


async def waiting(database: Database) -> list[datetime]:
    async with database.transaction() as tx:
        rows = await tx.fetch_all("SELECT due_at FROM timers WHERE fired_at IS NULL ORDER BY 1")
    return [row["due_at"] for row in rows]


async def test_a_signed_contract_is_said_and_has_a_renewal(open_database: OpenDatabase) -> None:
    database = await open_database("renewals")
    async with database.transaction() as tx:
        contract = await usecases.sign_contract(tx, an_order(notice_date=NOTICE))
        (event,) = tx.emitted

    assert event.type == "io.tenure.renewals.contract_signed.v1"
    assert event.data["notice_date"] == "2026-10-02"
    assert event.data["seats"] == 25
    async with database.transaction() as tx:
        assert await storage.contract(tx, "acme", contract.contract_id) == contract
        (renewal,) = await storage.undecided_renewals(tx, "acme")
    assert renewal.contract_id == contract.contract_id


async def test_each_window_opens_once_at_local_midnight(
    open_database: OpenDatabase, clock: FixedClock
) -> None:
    database = await open_database("renewals")
    await sign(database, notice_date=NOTICE)
    async with database.transaction() as tx:
        await note_account(tx, account_opened(time_zone="Europe/Berlin"))

    clock.set(datetime(2026, 6, 3, 21, 59, 59, tzinfo=UTC))
    await fire_timers(database)
    assert await windows_said(database) == []

    clock.set(datetime(2026, 6, 3, 22, 0, tzinfo=UTC))
    await fire_timers(database)
    assert await windows_said(database) == [(120, "2026-10-02")]

    for _ in range(120):
        clock.advance(timedelta(days=1))
        await fire_timers(database)
    assert [days for days, _ in await windows_said(database)] == [120, 90, 60, 30]


async def test_a_contract_imported_inside_a_window_opens_only_the_latest(
    open_database: OpenDatabase, clock: FixedClock
) -> None:
    database = await open_database("renewals")

    await sign(database, notice_date=clock.now().date() + timedelta(days=70))
    await fire_timers(database)

    assert [days for days, _ in await windows_said(database)] == [90]
    assert len(await waiting(database)) == 2


async def test_moving_a_contract_moves_its_windows(
    open_database: OpenDatabase, clock: FixedClock
) -> None:
    database = await open_database("renewals")
    contract = await sign(database, notice_date=NOTICE)

    await amend(database, contract, ends_on=contract.term.ends_on + timedelta(days=10))

    firsts = [datetime(2026, 10, 12, tzinfo=UTC) - timedelta(days=d) for d in (120, 90, 60, 30)]
    assert await waiting(database) == firsts


async def test_a_window_opens_again_only_when_it_lies_ahead_again(
    open_database: OpenDatabase, clock: FixedClock
) -> None:
    database = await open_database("renewals")
    soon = clock.now().date() + timedelta(days=70)
    contract = await sign(database, notice_date=soon)
    await fire_timers(database)

    later = await amend(database, contract, ends_on=contract.term.ends_on + timedelta(days=100))
    await amend(database, later, ends_on=contract.term.ends_on)
    await fire_timers(database)
    assert [days for days, _ in await windows_said(database)] == [90]

    moved = await amend(database, contract, ends_on=contract.term.ends_on + timedelta(days=25))
    clock.set(
        datetime.combine(
            moved.term.notice_date - timedelta(days=90), datetime.min.time(), tzinfo=UTC
        )
    )
    await fire_timers(database)
    assert await windows_said(database) == [
        (90, soon.isoformat()),
        (90, moved.term.notice_date.isoformat()),
    ]


async def test_of_windows_missed_while_the_service_was_down_only_the_latest_opens(
    open_database: OpenDatabase, clock: FixedClock
) -> None:
    database = await open_database("renewals")
    await sign(database, notice_date=NOTICE)

    clock.set(datetime(2026, 8, 20, tzinfo=UTC))
    await fire_timers(database)

    assert [days for days, _ in await windows_said(database)] == [60]


async def test_a_zone_heard_later_moves_the_windows(open_database: OpenDatabase) -> None:
    database = await open_database("renewals")
    await sign(database, notice_date=NOTICE)
    in_utc = await waiting(database)

    async with database.transaction() as tx:
        await note_account(tx, account_opened(time_zone="Asia/Tokyo"))

    assert await waiting(database) == [due - timedelta(hours=9) for due in in_utc]


async def test_a_segment_heard_later_changes_the_base(open_database: OpenDatabase) -> None:
    database = await open_database("renewals")
    await sign(database)

    async with database.transaction() as tx:
        await note_account(tx, account_opened(segment="enterprise"))
        (renewal,) = await storage.undecided_renewals(tx, "acme")

    assert renewal.assessment.probability == 0.9


async def test_a_window_gives_way_to_whoever_holds_the_account(
    open_database: OpenDatabase, clock: FixedClock
) -> None:
    database = await open_database("renewals")
    await sign(database, notice_date=clock.now().date() + timedelta(days=70))

    async with database.transaction() as tx:
        await storage.lock_account(tx, "acme")
        with pytest.raises(DBAPIError) as refused:
            await fire_timers(database)

    assert is_unavailable(refused.value)
    clock.advance(timedelta(seconds=2))
    await fire_timers(database)
    assert [days for days, _ in await windows_said(database)] == [90]
