"""The relay over a real broker: everything that was committed is published, in order."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from shared.bus.producer import Message, Producer, Unavailable
from shared.bus.relay import Relay
from shared.bus.topics import Cluster, Topic, apply_topics
from shared.db.transaction import Database
from shared.kernel.errors import Refusal
from shared.observability.tracing import current_traceparent, span
from tenure.stack.embedded_broker import EmbeddedBroker
from tests.conftest import OpenDatabase
from tests.integration.shared.conftest import (
    Wire,
    an_account,
    changed,
    eventually,
    payload,
    running,
)

TOPIC = "tenure.onboarding"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class FlakyProducer(Producer):
    """The real producer, which loses its broker for the first calls."""

    def __init__(self, bootstrap: str, failures: int) -> None:
        super().__init__(bootstrap)
        self.failures = failures

    async def send_all(self, messages: Sequence[Message]) -> list[Refusal | None]:
        if self.failures:
            self.failures -= 1
            # The first of a wave goes out, the rest does not: the worst of both.
            sent = await super().send_all(messages[:1])
            return [*sent, *(Unavailable("gone") for _ in messages[1:])]
        return await super().send_all(messages)


@pytest.fixture
async def onboarding(open_database: OpenDatabase) -> Database:
    return await open_database("onboarding")


async def say(database: Database, account_id: str, *names: str) -> list[str]:
    """Commit one fact after the other; return the ids of their events."""
    ids = []
    for name in names:
        async with database.transaction() as tx:
            ids.append(tx.emit(changed(account_id, name)).id)
    return ids


async def unpublished(database: Database) -> int:
    async with database.transaction() as tx:
        return int(await tx.fetch_value("SELECT count(*) FROM outbox WHERE publishedat IS NULL"))


async def all_published(database: Database, within: float = 20.0) -> None:
    async def is_empty() -> bool:
        return await unpublished(database) == 0

    await eventually(is_empty, within=within, what="the outbox is empty")


async def ids_on(wire: Wire, account_id: str) -> list[object]:
    return [payload(record)["id"] for record in await wire.read(TOPIC, account_id)]


async def test_an_accounts_events_are_published_in_the_order_of_their_commits(
    onboarding: Database, wire: Wire, relaying: Any
) -> None:
    one, two = an_account(), an_account()
    names = [f"n{number}" for number in range(25)]
    before = await say(onboarding, one, *names[:5])
    await relaying(onboarding)
    rest, others = await asyncio.gather(
        say(onboarding, one, *names[5:]), say(onboarding, two, *names)
    )
    await all_published(onboarding)
    assert await ids_on(wire, one) == [*before, *rest]
    assert await ids_on(wire, two) == others


async def test_a_record_carries_its_account_as_key_and_its_type_and_trace_as_headers(
    onboarding: Database, wire: Wire, relaying: Any
) -> None:
    account = an_account()
    with span("a request", TRACE):
        traceparent = current_traceparent()
        (event_id,) = await say(onboarding, account, "Acme")
    await relaying(onboarding)
    await all_published(onboarding)
    (record,) = await wire.read(TOPIC, account)
    headers = {name: value.decode() for name, value in record.headers}
    body = payload(record)
    assert headers["content-type"] == "application/cloudevents+json"
    assert headers["traceparent"] == body["traceparent"] == traceparent
    assert {event_id, "io.tenure.onboarding.account_changed.v1"} <= set(headers.values())
    assert (body["id"], body["source"], body["subject"]) == (
        event_id,
        "/tenure/onboarding",
        account,
    )


async def test_what_the_broker_did_not_acknowledge_is_sent_again_in_order(
    onboarding: Database, wire: Wire, relaying: Any
) -> None:
    one, two = an_account(), an_account()
    said = {account: await say(onboarding, account, "a", "b", "c") for account in (one, two)}
    await relaying(onboarding, FlakyProducer(wire.bootstrap, failures=3))
    await all_published(onboarding)
    for account, ids in said.items():
        seen = await ids_on(wire, account)
        # At least once: the first sight of each is in order, and consumers drop the rest.
        assert list(dict.fromkeys(seen)) == ids
    async with onboarding.transaction() as tx:
        assert await tx.fetch_value("SELECT max(attempts) FROM outbox") > 1


async def test_of_two_relays_one_leads_and_the_other_takes_over(
    open_database: OpenDatabase, wire: Wire, relaying: Any
) -> None:
    first, second = await open_database("onboarding"), await open_database("onboarding")
    stop_first = await relaying(first)
    account = an_account()
    ids = await say(first, account, "a", "b")
    await all_published(first)
    await relaying(second)
    ids += await say(second, account, "c", "d")
    await all_published(first)
    assert await leaders(first) == 1
    await stop_first()
    ids += await say(second, account, "e")
    await all_published(second)
    assert await ids_on(wire, account) == ids
    assert await leaders(second) == 1


async def leaders(database: Database) -> int:
    async with database.transaction() as tx:
        return int(
            await tx.fetch_value(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
                "AND classid = (hashtext('relay')::bigint & 4294967295)::oid"
            )
        )


async def test_what_waits_while_the_broker_is_away_is_counted(onboarding: Database) -> None:
    nowhere = "127.0.0.1:9"
    relay = Relay(onboarding, Producer(nowhere), Cluster(nowhere))
    account = an_account()

    async def waiting(count: int) -> bool:
        return REGISTRY.get_sample_value("tenure_outbox_unpublished") == count

    async with running(relay.run):
        await say(onboarding, account, "a", "b")
        await eventually(lambda: waiting(2))
        await say(onboarding, account, "c")
        await eventually(lambda: waiting(3))


async def test_what_is_kept_is_published_again_when_the_broker_is_another(
    onboarding: Database, wire: Wire, relaying: Any
) -> None:
    account = an_account()
    ids = await say(onboarding, account, "a", "b")
    async with onboarding.transaction() as tx:
        await tx.execute("UPDATE outbox SET publishedat = :now", now=tx.now)
        await tx.execute(
            "INSERT INTO brokers (cluster_id, seen_at) VALUES ('the one before', :now)", now=tx.now
        )
    await relaying(onboarding)

    async def is_there() -> bool:
        return await ids_on(wire, account) == ids

    await eventually(is_there, what="the kept rows on the new broker")


async def test_a_broker_that_loses_its_log_gets_everything_again(
    onboarding: Database, tmp_path: Path
) -> None:
    broker = EmbeddedBroker(tmp_path / "broker")
    producer, cluster = Producer(broker.bootstrap), Cluster(broker.bootstrap)
    wire, account = Wire(broker.bootstrap, producer), an_account()
    ids = await say(onboarding, account, "a", "b")
    try:
        async with running(Relay(onboarding, producer, cluster).run):
            # It waits for a broker that is not there yet.
            await _start(broker)
            await all_published(onboarding)
            assert await ids_on(wire, account) == ids
            await asyncio.to_thread(broker.stop)
            ids += await say(onboarding, account, "c")
            await _start(broker)

            async def is_there() -> bool:
                # Something newer may have come before the loss was noticed; then all, in order.
                return (await ids_on(wire, account))[-3:] == ids

            await eventually(is_there, within=25, what="all rows in the new log")
    finally:
        await producer.stop()
        await cluster.close()
        broker.stop()


async def _start(broker: EmbeddedBroker) -> None:
    await asyncio.to_thread(broker.start)
    await apply_topics(broker.bootstrap, [Topic(TOPIC, 4, -1)])
