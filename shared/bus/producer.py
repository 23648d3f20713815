"""Sending, with an answer for every record: acknowledged by all in-sync replicas, or an error."""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from shared.bus.client import sends
from shared.bus.errors import kafka_errors_only
from shared.kernel.errors import Kind, Refusal
from shared.observability.metrics import UNACKNOWLEDGED_BYTES

_DEADLINE_SECONDS = 10.0
_MAX_UNACKNOWLEDGED = 64 * 1024 * 1024
_RECORD_OVERHEAD = 200


class RateLimited(Refusal):
    """Too much is waiting for the broker; try again in a moment."""

    kind = Kind.RATE_LIMITED


class Unavailable(Refusal):
    """The broker did not acknowledge in time; nothing is promised, send it again."""

    kind = Kind.UNAVAILABLE


class TooLarge(Refusal):
    """The record is larger than any that is sent."""

    kind = Kind.PAYLOAD_TOO_LARGE


@dataclass(frozen=True, slots=True)
class Message:
    """A record to send; without a partition its key chooses one."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int | None = None

    @property
    def size(self) -> int:
        """Roughly how many bytes it holds in memory."""
        return len(self.value or b"") + len(self.key or b"") + _RECORD_OVERHEAD


class Producer:
    """A Kafka producer whose every wait is bounded.

    Idempotence is off: with it the client never times out and cannot be stopped while the broker
    is away. One batch in flight per partition keeps order; consumers remove duplicates.
    """

    def __init__(self, bootstrap: str, *, max_unacknowledged: int = _MAX_UNACKNOWLEDGED) -> None:
        self._bootstrap = bootstrap
        self._limit = max_unacknowledged
        self._unacknowledged = 0
        self._client: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def send(self, message: Message) -> None:
        """Send one record. Raises `RateLimited` or `Unavailable`."""
        error = (await self.send_all([message]))[0]
        if error is not None:
            raise error

    async def send_all(self, messages: Sequence[Message]) -> list[Refusal | None]:
        """Send records; return, in order, None for each acknowledged one or why it is not.

        Raises `RateLimited` when too many bytes are waiting; then nothing was sent.
        """
        with self.holding(sum(message.size for message in messages)):
            return await self.send_held(messages)

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Count bytes as unacknowledged while the block runs. Raises `RateLimited`."""
        if self._unacknowledged and self._unacknowledged + size > self._limit:
            raise RateLimited
        self._hold(size)
        try:
            yield
        finally:
            self._hold(-size)

    async def partitions_of(self, topic: str) -> int:
        """Return how many partitions a topic has. Raises `Unavailable`."""
        try:
            with kafka_errors_only():
                async with asyncio.timeout(_DEADLINE_SECONDS):
                    client = await self._connected()
                    return len(await client.partitions_for(topic))
        except (KafkaError, OSError, TimeoutError) as error:
            raise _refusal(error) from None

    async def stop(self) -> None:
        """Send what is waiting, for at most 5 s, and disconnect."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(client.stop(), timeout=5)

    async def send_held(self, messages: Sequence[Message]) -> list[Refusal | None]:
        """Send records as `send_all` does, whose bytes `holding` counts already."""
        try:
            with kafka_errors_only():
                answers = await self._answers(messages)
        except (KafkaError, OSError, TimeoutError) as error:
            return [_refusal(error)] * len(messages)
        return [_refusal(a) if isinstance(a, BaseException) else None for a in answers]

    async def _answers(self, messages: Sequence[Message]) -> Sequence[object]:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            client = await self._connected()
            pending = [await _begin(client, message) for message in messages]
            answers: list[object] = await asyncio.gather(*pending, return_exceptions=True)
            return answers

    async def _connected(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._client is not None and not sends(self._client):
                await self.stop()
            if self._client is None:
                client = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    acks="all",
                    enable_idempotence=False,
                    # The client packs lz4 at its slowest level; this takes a third of the time.
                    compression_type="zstd",
                    linger_ms=2,
                    max_batch_size=1024 * 1024,
                    max_request_size=4 * 1024 * 1024,
                    request_timeout_ms=8_000,
                    retry_backoff_ms=50,
                    metadata_max_age_ms=30_000,
                )
                try:
                    await client.start()
                except BaseException:
                    with suppress(KafkaError, OSError):
                        await client.stop()
                    raise
                self._client = client
            return self._client

    def _hold(self, size: int) -> None:
        self._unacknowledged += size
        UNACKNOWLEDGED_BYTES.set(self._unacknowledged)


async def _begin(client: AIOKafkaProducer, message: Message) -> Awaitable[object]:
    """Begin to send; what is too large by itself must not keep the others from being answered."""
    try:
        sending: Awaitable[object] = await client.send(
            message.topic,
            key=message.key,
            value=message.value,
            partition=message.partition,
            headers=list(message.headers),
        )
    except MessageSizeTooLargeError as error:
        refused: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        refused.set_exception(TooLarge(str(error)))
        return refused
    return sending


def _refusal(error: BaseException) -> Refusal:
    if isinstance(error, Refusal):
        return error
    return Unavailable(f"the broker did not acknowledge: {error or type(error).__name__}")
