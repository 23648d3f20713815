"""Facts leave by the outbox, in the transaction of their effect."""

import asyncio
import threading
from contextlib import suppress

import pytest

from shared.contracts.health import RiskRecovered
from shared.contracts.onboarding import OwnerRemoved
from shared.db import outbox
from shared.db.transaction import ForeignFactError
from tests.conftest import OpenDatabase

FACT = OwnerRemoved(account_id="acme", role="csm", email="ann@example.com")


async def test_a_fact_is_in_the_outbox_once_its_transaction_commits(
    open_database: OpenDatabase,
) -> None:
    database = await open_database("onboarding")
    async with database.transaction() as tx:
        event = tx.emit(FACT)
    async with database.engine.connect() as connection:
        rows = await outbox.unpublished(connection, 10)
    assert [(str(row["id"]), row["account_id"]) for row in rows] == [(event.id, "acme")]
    assert rows[0]["payload"]["data"]["role"] == "csm"


async def test_a_fact_is_gone_when_its_transaction_rolls_back(open_database: OpenDatabase) -> None:
    database = await open_database("onboarding")
    with suppress(RuntimeError):
        async with database.transaction() as tx:
            tx.emit(FACT)
            raise RuntimeError
    async with database.engine.connect() as connection:
        assert await outbox.unpublished(connection, 10) == []


async def test_a_service_cannot_emit_the_fact_of_another(open_database: OpenDatabase) -> None:
    database = await open_database("renewals")
    with pytest.raises(ForeignFactError):
        async with database.transaction() as tx:
            tx.emit(FACT)
    assert RiskRecovered.publisher() == "health"


async def test_who_waits_is_woken_once_work_is_committed(open_database: OpenDatabase) -> None:
    database = await open_database("onboarding")
    woken: list[str] = []
    database.on_wake(lambda: woken.append("now"))
    async with database.transaction() as tx:
        tx.wake()
        tx.wake()
        assert woken == []
    assert woken == ["now"]


async def test_nobody_is_woken_for_nothing(open_database: OpenDatabase) -> None:
    database = await open_database("onboarding")
    woken: list[str] = []
    database.on_wake(lambda: woken.append("now"))
    async with database.transaction() as tx:
        tx.emit(FACT)
    with suppress(RuntimeError):
        async with database.transaction() as tx:
            tx.wake()
            raise RuntimeError
    assert woken == []


async def test_a_commit_of_another_event_loop_is_told_here(open_database: OpenDatabase) -> None:
    here, there = await open_database("onboarding"), await open_database("onboarding")
    heard: list[tuple[str, int]] = []
    told = asyncio.Event()
    here.after_emit(lambda: heard.append(("emitted", threading.get_ident())))
    here.on_wake(lambda: (heard.append(("woken", threading.get_ident())), told.set()))
    there.tell(here)

    async def commit() -> None:
        async with there.transaction() as tx:
            tx.emit(FACT)
            tx.wake()
        await there.close()

    await asyncio.to_thread(asyncio.run, commit())
    await told.wait()
    assert heard == [("emitted", threading.get_ident()), ("woken", threading.get_ident())]
