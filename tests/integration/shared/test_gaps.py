"""A record that the broker shows later than the one behind it is heard all the same."""

import os
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from shared.bus import consumer
from shared.bus.client import Subscription, client_of
from shared.contracts.event import headers_of
from tests.integration.shared.conftest import Ear, Hall, Wire, an_account, changed, event_of

STACK = os.environ.get("TENURE_TEST_STACK", "embedded")


class _Late(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka ships no types
    """Does not show the second of three records until it is asked for."""

    async def getmany(self, *partitions: Any, **options: Any) -> dict[Any, Sequence[Any]]:
        found: dict[Any, Sequence[Any]] = await super().getmany(*partitions, **options)
        for tp, records in found.items():
            if len(records) == 3:
                found[tp] = [records[0], records[2]]
        return found


def _late_client_of(subscription: Subscription, bootstrap: str) -> AIOKafkaConsumer:
    client = client_of(subscription, bootstrap)
    client.__class__ = _Late
    return client


@pytest.mark.skipif(STACK != "embedded", reason="other brokers show no record before its time")
async def test_a_record_that_is_shown_late_is_heard(
    hall: Hall, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "client_of", _late_client_of)
    account = an_account()
    said = [event_of(changed(account, name)) for name in ("first", "second", "third")]
    await wire.say(hall.topic, *said)
    async with hall.listening(Ear()):
        await hall.wait_for_positions(3)
    assert await hall.heard() == ["first", "second", "third"]


@pytest.mark.skipif(STACK == "embedded", reason="the embedded broker has no transactions")
async def test_the_end_of_a_transaction_is_passed_at_once(hall: Hall, wire: Wire) -> None:
    """It takes an offset of its own, which is no gap that anything will ever fill."""
    account = an_account()
    producer = AIOKafkaProducer(bootstrap_servers=wire.bootstrap, transactional_id=account)
    await producer.start()
    async with hall.listening(Ear()):
        for name in ("first", "second"):
            event = event_of(changed(account, name))
            headers = headers_of(event.id, event.type, None)
            async with producer.transaction():
                await producer.send_and_wait(
                    hall.topic, event.to_json(), key=account.encode(), headers=headers
                )
        await hall.wait_for("first", "second", within=4)
    await producer.stop()
