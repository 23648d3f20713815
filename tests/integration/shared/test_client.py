"""A Kafka client that has given up without a word is noticed, and another one takes its place."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from shared.bus import consumer
from shared.bus.client import Subscription, client_of
from shared.bus.positions import Positions
from shared.bus.topics import Cluster
from tests.integration.shared.conftest import (
    Ear,
    Hall,
    Wire,
    an_account,
    changed,
    event_of,
    eventually,
)
from tests.stacks import Stack


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[AIOKafkaConsumer]:
    """The clients that consumers made, in order."""
    made: list[AIOKafkaConsumer] = []

    def remembered(subscription: Subscription, bootstrap: str) -> AIOKafkaConsumer:
        made.append(client_of(subscription, bootstrap))
        return made[-1]

    monkeypatch.setattr(consumer, "client_of", remembered)
    return made


def _is_another(clients: list[AIOKafkaConsumer]) -> Callable[[], Awaitable[bool]]:
    async def is_another() -> bool:
        return len(clients) > 1

    return is_another


async def _never_returns(*_: object, **__: object) -> dict[Any, Any]:
    return await asyncio.get_running_loop().create_future()


def _reads_no_more(client: AIOKafkaConsumer) -> None:
    client._fetcher._fetch_task.cancel()  # noqa: SLF001 - as it happens to it


def _looks_no_more(client: AIOKafkaConsumer) -> None:
    client._client._sync_task.cancel()  # noqa: SLF001 - as it happens to it


def _waits_for_ever(client: AIOKafkaConsumer) -> None:
    client.getmany = _never_returns


def _coordinates_no_more(client: AIOKafkaConsumer) -> None:
    client._coordinator._coordination_task.cancel()  # noqa: SLF001 - as it happens to it


@pytest.mark.parametrize(
    "give_up", [_reads_no_more, _looks_no_more, _waits_for_ever, _coordinates_no_more]
)
async def test_a_client_that_gives_up_is_replaced(
    hall: Hall,
    wire: Wire,
    clients: list[AIOKafkaConsumer],
    monkeypatch: pytest.MonkeyPatch,
    give_up: Callable[[AIOKafkaConsumer], None],
) -> None:
    monkeypatch.setattr(Subscription, "patience_seconds", 8.0)
    account = an_account()
    async with hall.listening(Ear()):
        await wire.say(hall.topic, event_of(changed(account, "before")))
        await hall.wait_for("before")
        give_up(clients[0])
        await wire.say(hall.topic, event_of(changed(account, "after")))
        await eventually(_is_another(clients), within=20, what="another client")
        await wire.say(hall.topic, event_of(changed(account, "and later")))
        await hall.wait_for("before", "after", "and later")


def _sends_no_more(client: AIOKafkaProducer) -> None:
    client._sender.sender_task.cancel()  # noqa: SLF001 - as it happens to it


def _finds_no_more(client: AIOKafkaProducer) -> None:
    client.client._sync_task.cancel()  # noqa: SLF001 - as it happens to it


@pytest.mark.parametrize("give_up", [_sends_no_more, _finds_no_more])
async def test_a_producer_that_gives_up_is_replaced(
    hall: Hall, wire: Wire, give_up: Callable[[AIOKafkaProducer], None]
) -> None:
    await wire.put(hall.topic, b"before")
    client = wire.producer._client  # noqa: SLF001 - there is no other way to harm it
    give_up(client)
    await asyncio.sleep(0)  # the task ends when it is its turn
    await wire.put(hall.topic, b"after")
    assert [record.value for record in await wire.read(hall.topic)] == [b"before", b"after"]
    assert wire.producer._client is not client  # noqa: SLF001


async def test_a_mistake_while_partitions_are_taken_over_ends_the_consumer(
    hall: Hall, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client would log it and go on, and nothing would ever be heard."""

    async def mistaken(*_: object) -> None:
        raise ValueError("a mistake of ours")

    monkeypatch.setattr(Positions, "find", mistaken)
    cluster = Cluster(stack.bootstrap)
    with pytest.raises(ValueError, match="a mistake of ours"):
        await asyncio.wait_for(hall.consumer(Ear(), cluster).run(asyncio.Event()), 30)
    await cluster.close()
