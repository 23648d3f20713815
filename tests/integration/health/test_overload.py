"""When the broker is away or behind, backends are told to come back, and nothing is promised."""

import asyncio

import pytest

from shared.bus.producer import Message, Producer, RateLimited
from tenure.stack.ports import free_port
from tests.conftest import OpenClient, OpenDatabase, make_key
from tests.integration.health.test_ingest import track


async def test_without_a_broker_ingest_answers_503_and_when_to_come_back(
    open_client: OpenClient, open_database: OpenDatabase
) -> None:
    client = await open_client("health", kafka_bootstrap=f"127.0.0.1:{free_port()}")
    key = await make_key(await open_database("health"), ["usage:write"])
    answer = await client.post(
        "/v1/batch", json={"batch": [track("1")]}, headers={"Authorization": f"Bearer {key}"}
    )
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


async def test_past_the_limit_of_unacknowledged_bytes_sending_is_refused_at_once() -> None:
    producer = Producer(f"127.0.0.1:{free_port()}", max_unacknowledged=10_000)
    waiting = asyncio.create_task(producer.send(Message("t", b"k", b"x" * 9_000)))
    await asyncio.sleep(0)
    with pytest.raises(RateLimited):
        await producer.send(Message("t", b"k", b"x" * 2_000))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await producer.stop()
