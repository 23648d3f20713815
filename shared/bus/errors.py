"""What can be wrong with a broker, and a Kafka client that says it in one way."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from aiokafka.errors import KafkaConnectionError, KafkaError

BROKER_ERRORS: tuple[type[Exception], ...] = (KafkaError, OSError)
"""Errors of a broker that is away, is not ours, or refuses."""


@contextmanager
def kafka_errors_only() -> Iterator[None]:
    """Turn what the client lets out when a node dies into a `KafkaConnectionError`.

    It cancels its own futures: whoever awaits one sees `CancelledError`, which no
    ``except Exception`` catches, and the worker would end without a word. A cancellation of the
    task itself passes. And it looks for a connection or a partition that is gone: a `KeyError` or
    `AssertionError` of its own code is no mistake of ours, and ends when it connects again.
    """
    try:
        yield
    except BROKER_ERRORS:
        raise
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise KafkaConnectionError("the Kafka client gave up a call") from None
    except Exception as error:
        if not _is_of_the_client(error.__traceback__):
            raise
        raise KafkaConnectionError(f"the Kafka client failed: {error!r}") from error


def _is_of_the_client(traceback: TracebackType | None) -> bool:
    """Tell whether the frame that raised is the client's."""
    name = ""
    while traceback is not None:
        name = traceback.tb_frame.f_globals.get("__name__", "")
        traceback = traceback.tb_next
    return name.partition(".")[0] == "aiokafka"
