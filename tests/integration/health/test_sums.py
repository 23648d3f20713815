"""Sums of properties: added up as events come, and made from raw usage for the days before."""

import json
from datetime import date, timedelta
from typing import Any

import yaml

from services.health.jobs.upkeep import fill_metrics, refresh_scores
from services.health.listeners import UsageStream
from services.health.listeners.usage_records import Read
from services.health.storage.metric import metrics, sums
from services.health.usecases.metric.summing import make_sums
from services.health.usecases.profile.activation import activate_version, add_version
from services.health.usecases.profile.profiles import Profiles
from services.health.usecases.usage.verifying import Difference, verify_usage
from shared.bus.consumer import Batch
from shared.db import inbox
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tests.builders.health import default_document
from tests.conftest import NOON, OpenDatabase
from tests.integration.health.test_usage_stream import FakeRecord

GROUP, TOPIC = "tenure.health.usage", "tenure.usage"
TODAY = NOON.date()
SPENT = {"kind": "sum", "events": ["order.paid"], "property": "amount", "window_days": 3}
PAIR = ("order.paid", "amount")


class Shop:
    """A product that sends orders, and the stream that counts them."""

    def __init__(self, health: Database, clock: FixedClock, book: Profiles) -> None:
        self.stream = UsageStream(health, sums=book.sums)
        self._clock, self._sent = clock, 0

    async def sells(
        self, account: str, amount: Any, days_ago: int = 0, window: Read | None = None
    ) -> None:
        at = self._clock.now() - timedelta(days=days_ago)
        event = {
            "specversion": "1.0",
            "id": str(self._sent),
            "source": "/shop",
            "type": "order.paid",
            "subject": account,
            "time": at.isoformat(),
            "data": {"user_id": "u1", "properties": {"amount": amount}},
        }
        stamp = int(self._clock.now().timestamp() * 1000)
        record = FakeRecord(json.dumps(event).encode(), self._sent, timestamp=stamp)
        batch, window = Batch(TOPIC, 0, self._sent, [record]), window or self.stream.begin()
        self.stream.read(batch, window)
        await self.stream.save(window, [batch], GROUP)
        self._sent += 1


async def opened(open_database: OpenDatabase, clock: FixedClock) -> tuple[Database, Shop, Profiles]:
    health, book = await open_database("health"), Profiles()
    async with health.transaction() as tx:
        await inbox.start_position(tx, GROUP, TOPIC, {0: 0}, log_id="test")
    return health, Shop(health, clock, book), book


async def put_in_force(health: Database, version: int, defined: dict[str, Any]) -> None:
    document = {**default_document(), "version": version, "metrics": defined}
    async with health.transaction() as tx:
        await add_version(tx, yaml.safe_dump(document), "ana")
        await activate_version(tx, "default", version, "ana")


async def hear(health: Database, book: Profiles) -> None:
    async with health.transaction() as tx:
        await book.current(tx)


async def total(health: Database, account_id: str = "acme") -> float:
    async with health.transaction() as tx:
        found = await tx.fetch_value(
            "SELECT sum(total) FROM usage_sums WHERE account_id = :id", id=account_id
        )
        return float(found or 0)


async def verified(health: Database) -> list[Difference]:
    async with health.transaction() as tx:
        return (await verify_usage(tx)).differences


async def history(health: Database, account_id: str = "acme") -> dict[date, float]:
    async with health.transaction() as tx:
        rows = await metrics.history(tx, account_id, "spent", before=None, limit=200)
        return {row["day"]: row["value"] for row in rows}


async def test_a_sum_that_a_profile_adds_is_filled_from_raw_usage(
    open_database: OpenDatabase, clock: FixedClock
) -> None:
    health, shop, book = await opened(open_database, clock)
    await hear(health, book)
    await shop.sells("acme", 10, days_ago=2)
    await shop.sells("acme", 20, days_ago=1)
    await shop.sells("bolt", 7)
    await shop.sells("acme", "a lot")
    assert await total(health) == 0
    await put_in_force(health, 9, {"spent": SPENT})
    await hear(health, book)
    await shop.sells("acme", 5)
    assert await total(health) == 5
    assert not await fill_metrics(health), "readers may not have heard yet"
    clock.advance(timedelta(seconds=11))
    while await fill_metrics(health):
        pass
    assert (await total(health), await total(health, "bolt")) == (35, 7)
    days = [TODAY - timedelta(days=n) for n in range(3)]
    assert await history(health) == {days[0]: 35, days[1]: 30, days[2]: 10}
    async with health.transaction() as tx:
        waiting = await tx.fetch_all("SELECT account_id FROM accounts WHERE rescore_at IS NOT NULL")
    assert {row["account_id"] for row in waiting} == {"acme", "bolt"}, "scores hear of the sum"
    # From here on the stream adds, to what was made of the past as well.
    await shop.sells("acme", 1, days_ago=1)
    assert await verified(health) == []
    async with health.transaction() as tx:
        await tx.execute("UPDATE usage_sums SET total = total + 1 WHERE account_id = 'bolt'")
    wrong = Difference("usage_sums", "bolt", TODAY, "order.paid amount", 8, 7)
    assert await verified(health) == [wrong]
    while await refresh_scores(health):
        pass
    async with health.transaction() as tx:
        (latest,) = await metrics.latest(tx, "acme")
    assert latest["value"] == 36
    assert latest["baseline"] == "amount adds up to 36 over 4 events in 3 days"


async def test_making_sums_again_gives_the_same_and_what_comes_meanwhile_counts_once(
    open_database: OpenDatabase, clock: FixedClock
) -> None:
    health, shop, book = await opened(open_database, clock)
    await put_in_force(health, 9, {"spent": SPENT})
    await hear(health, book)
    await shop.sells("acme", 10)
    for _ in range(2):
        async with health.transaction() as tx:
            since = await make_sums(tx, ["acme"], [PAIR])
        assert since[PAIR] <= TODAY
        assert await total(health) == 10
        await shop.sells("acme", 1)
        await shop.sells("acme", -1)
    assert await total(health) == 10


async def test_a_sum_nobody_needs_any_more_has_a_gap_when_it_comes_back(
    open_database: OpenDatabase, clock: FixedClock
) -> None:
    health, shop, book = await opened(open_database, clock)
    await put_in_force(health, 8, {"spent": SPENT})
    await hear(health, book)
    await shop.sells("acme", 10)
    clock.advance(timedelta(seconds=11))
    while await fill_metrics(health):
        pass
    async with health.transaction() as tx:
        assert (await sums.since(tx))[PAIR] <= TODAY
    await put_in_force(health, 9, {})
    await hear(health, book)
    await shop.sells("acme", 20)
    await put_in_force(health, 10, {"spent": SPENT})
    async with health.transaction() as tx:
        assert (await sums.since(tx))[PAIR] > TODAY
    clock.advance(timedelta(seconds=11))
    while await fill_metrics(health):
        pass
    assert (await history(health))[TODAY] == 30


async def test_the_first_window_after_a_profile_needs_a_sum_is_added_up(
    open_database: OpenDatabase, clock: FixedClock
) -> None:
    health, shop, book = await opened(open_database, clock)
    window = shop.stream.begin()  # as it waits on a service where nothing happens
    await put_in_force(health, 9, {"spent": SPENT})
    await hear(health, book)
    await shop.sells("acme", 10, window=window)
    assert await total(health) == 10


async def test_numbers_that_nobody_counts_add_nothing(
    open_database: OpenDatabase, clock: FixedClock
) -> None:
    health, shop, book = await opened(open_database, clock)
    await put_in_force(health, 9, {"spent": SPENT})
    await hear(health, book)
    for amount in (1.7e308, 1.7e308, 5):
        await shop.sells("acme", amount)
    assert await total(health) == 5
