"""Packing: many small values travel in few records, and each sender learns of its own.

Values that arrive while a pack is on its way make up the next one, as commits of a database do:
a lone sender waits for no timer, and records grow with the load.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from aiokafka.partitioner import DefaultPartitioner

from shared.bus.producer import Message, Producer, Unavailable
from shared.kernel.errors import Refusal

_RECORD_BYTES = 256 * 1024
_VALUE_OVERHEAD = 64
_STUCK_SECONDS = 0.5
_WINDOW_SECONDS = 0.004
_MOST_KEYS = 200_000
_partition = DefaultPartitioner()

Value = tuple[str, bytes]
"""A key, by which values are kept in order, and a JSON value."""


@dataclass(slots=True)
class _Pack:
    """Values on their way together, by partition."""

    values: defaultdict[int, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    senders: int = 0
    failed: dict[int, Refusal] = field(default_factory=dict)
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Packer:
    """Sends values to a topic in JSON arrays, one or a few for each partition.

    A key chooses its partition as the producer's own partitioner does, so what others send with
    that key is in order with it. Records have no key of their own: they hold several.
    """

    def __init__(
        self, producer: Producer, topic: str, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._headers = tuple(headers)
        self._open = _Pack()
        self._sender: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._partitions: range | None = None
        self._of_key: dict[str, int] = {}

    async def send(self, values: Sequence[Value]) -> None:
        """Send values, and return once all are acknowledged by all in-sync replicas.

        Raises `RateLimited` when too many bytes wait; then nothing was sent. Raises `Unavailable`
        when some of the values were not acknowledged.
        """
        if not values:
            return
        size = sum([len(value) for _, value in values]) + _VALUE_OVERHEAD * len(values)
        with self._producer.holding(size):
            among = self._partitions or await self._find_partitions()
            pack = self._open
            pack.senders += 1
            partitions = self._add(pack, values, among)
            if self._sender is None or self._sender.done():
                self._sender = asyncio.create_task(self._send_packs(), name="packer")
            await pack.done.wait()
        for partition, refusal in pack.failed.items():
            if partition in partitions:
                raise refusal

    async def _find_partitions(self) -> range:
        self._partitions = range(await self._producer.partitions_of(self._topic))
        return self._partitions

    def _add(self, pack: _Pack, values: Sequence[Value], among: range) -> set[int]:
        of_key, partitions = self._of_key, set()
        for key, value in values:
            partition = of_key.get(key)
            if partition is None:
                partition = self._choose(key, among)
            pack.values[partition].append(value)
            partitions.add(partition)
        return partitions

    def _choose(self, key: str, among: range) -> int:
        if len(self._of_key) >= _MOST_KEYS:
            self._of_key.clear()
        chosen: int = _partition(key.encode(), among, None)
        self._of_key[key] = chosen
        return chosen

    async def _send_packs(self) -> None:
        pack = self._open
        while self._open.values:
            if pack.senders > 1:
                # Others are sending too: what they have costs little more in the same records.
                await asyncio.sleep(_WINDOW_SECONDS)
            pack, self._open = self._open, _Pack()
            sending = asyncio.create_task(self._send(pack))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
            # A broker that does not answer holds up what is on its way, not what comes after.
            await asyncio.wait((sending,), timeout=_STUCK_SECONDS)

    async def _send(self, pack: _Pack) -> None:
        # Whatever happens below, nobody is told that a value arrived which did not.
        pack.failed = dict.fromkeys(pack.values, Unavailable("the sending was cut off"))
        messages = list(self._messages(pack))
        try:
            answers = await self._producer.send_held([message for _, message in messages])
            pack.failed = {
                partition: answer
                for (partition, _), answer in zip(messages, answers, strict=True)
                if answer is not None
            }
        finally:
            if pack.failed:
                self._look_again()
            pack.done.set()

    def _look_again(self) -> None:
        """Forget the partitions: a broker that lost its log may have other ones now."""
        self._partitions = None
        self._of_key.clear()

    def _messages(self, pack: _Pack) -> Iterator[tuple[int, Message]]:
        for partition, values in pack.values.items():
            for chunk in _chunks(values):
                value = b"[%b]" % b",".join(chunk)
                yield partition, Message(self._topic, None, value, self._headers, partition)


def _chunks(values: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Split values so that no record grows beyond 256 KiB, but for one that is larger itself."""
    if sum([len(value) for value in values]) <= _RECORD_BYTES:
        yield values
        return
    chunk: list[bytes] = []
    size = 0
    for value in values:
        if chunk and size + len(value) > _RECORD_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(value)
        size += len(value)
    if chunk:
        yield chunk
