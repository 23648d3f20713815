"""What the tests of onboarding share: a client, a database, ears and a way to let time pass."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.onboarding.jobs import JOBS
from services.onboarding.listeners import LISTENERS
from shared.contracts.event import Event, Fact
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock

Said = Callable[[], Awaitable[list[tuple[str, dict[str, Any]]]]]


@pytest_asyncio.fixture
async def database(open_database: Callable[[str], Awaitable[Database]]) -> Database:
    return await open_database("onboarding")


@pytest_asyncio.fixture
async def api(open_client: Callable[..., Awaitable[httpx.AsyncClient]]) -> httpx.AsyncClient:
    client = await open_client("onboarding", scopes=["onboarding:read", "onboarding:write"])
    client.base_url = httpx.URL("http://tenure.test/api/v1/")
    return client


@pytest.fixture
def hear(database: Database) -> Callable[[Fact], Awaitable[None]]:
    """Lets the service hear a fact, as its consumer would."""

    async def hear_one(fact: Fact) -> None:
        cause = Event.of(fact, time=database.clock.now(), cause=None, traceparent=None)
        async with database.transaction(cause=cause) as tx:
            for listener in LISTENERS:
                if listener.fact is type(fact):
                    await listener.handle(tx, fact)

    return hear_one


@pytest.fixture
def said(database: Database) -> Said:
    """Returns what the service said since it was last asked, as (fact, data)."""
    heard = 0

    async def say() -> list[tuple[str, dict[str, Any]]]:
        nonlocal heard
        async with database.transaction() as tx:
            rows = await tx.fetch_all(
                "SELECT seq, type, payload FROM outbox WHERE seq > :heard ORDER BY seq",
                heard=heard,
            )
        heard = rows[-1]["seq"] if rows else heard
        return [(row["type"].split(".")[3], row["payload"]["data"]) for row in rows]

    return say


@pytest.fixture
def pass_days(database: Database, clock: FixedClock) -> Callable[[float], Awaitable[None]]:
    """Moves the clock, then fires every timer that is due."""

    async def move(days: float) -> None:
        clock.advance(timedelta(days=days))
        for job in JOBS:
            while await job.run(database):
                pass

    return move
