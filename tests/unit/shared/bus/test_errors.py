"""What the Kafka client lets out is an error of the broker; what is ours stays what it is."""

import asyncio

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.util import parse_kafka_version

from shared.bus.errors import kafka_errors_only


async def test_a_cancellation_that_nobody_asked_for_is_a_broker_error() -> None:
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    answer.cancel()
    with pytest.raises(KafkaConnectionError), kafka_errors_only():
        await answer


async def test_a_task_that_is_told_to_stop_stops() -> None:
    async def work() -> None:
        with kafka_errors_only():
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_deadline_stays_a_deadline() -> None:
    async def wait() -> None:
        async with asyncio.timeout(0.01):
            with kafka_errors_only():
                await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await wait()


def test_a_failure_of_the_clients_own_code_is_a_broker_error() -> None:
    with pytest.raises(KafkaConnectionError, match="ValueError"), kafka_errors_only():
        parse_kafka_version("9.9")


def test_a_mistake_of_ours_stays_one() -> None:
    with pytest.raises(ZeroDivisionError), kafka_errors_only():
        _ = 1 // 0
