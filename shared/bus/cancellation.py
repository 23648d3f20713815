"""Telling our own cancellation from one that the Kafka client lets out."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import KafkaConnectionError


@contextmanager
def no_leaked_cancellation() -> Iterator[None]:
    """Turn a cancellation that nobody asked of this task into a `KafkaConnectionError`.

    The client cancels its own futures when a node dies. Whoever awaits one sees `CancelledError`,
    which no ``except Exception`` catches: the worker would end without a word.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise KafkaConnectionError("the Kafka client gave up a call") from None
