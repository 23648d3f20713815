"""Cancellations: ours end the task, those that leak out of the Kafka client are errors."""

import asyncio

import pytest
from aiokafka.errors import KafkaConnectionError

from shared.bus.cancellation import no_leaked_cancellation


async def test_a_cancellation_that_nobody_asked_for_is_a_broker_error() -> None:
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    answer.cancel()
    with pytest.raises(KafkaConnectionError), no_leaked_cancellation():
        await answer


async def test_a_task_that_is_told_to_stop_stops() -> None:
    async def work() -> None:
        with no_leaked_cancellation():
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_deadline_stays_a_deadline() -> None:
    async def wait() -> None:
        async with asyncio.timeout(0.01):
            with no_leaked_cancellation():
                await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await wait()
