"""Where a group stands in each log, and whether the log is still the one it was."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.bus.topics import Cluster
from shared.db import inbox
from shared.db.transaction import Database
from shared.observability.logging import get_logger

log = get_logger(__name__)

_SILENCE_MS = 500
_LONGEST_READ = 10.0

Stored = Mapping[TopicPartition, tuple[int, str]]
"""The next offset of each partition, and the identity of the log it belongs to."""


class Positions:
    """The stored positions of a group. ``log_id`` is the log they were last found in."""

    def __init__(self, group: str, *, bootstrap: str, database: Database, cluster: Cluster) -> None:
        self._group = group
        self._bootstrap = bootstrap
        self._database = database
        self._cluster = cluster
        self.log_id = ""

    async def is_another_log(self) -> bool:
        """Tell whether the broker came back with an empty log under the same address."""
        return bool(self.log_id) and await self._cluster.id() != self.log_id

    async def find(
        self, client: AIOKafkaConsumer, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """Return the stored positions of partitions; start anew where the log is a new one."""
        wanted = list(partitions)
        self.log_id = await self._cluster.id()
        # The log's ends come after the positions: whoever had a partition before may still move.
        stored = await self._stored(wanted)
        first = await client.beginning_offsets(wanted)
        last = await self._ends(client, wanted, stored)
        fresh = {
            tp: first[tp]
            for tp in wanted
            if not self._is_valid(stored.get(tp), first[tp], last[tp])
        }
        await self._start_anew(fresh)
        return {tp: offset for tp, (offset, _) in stored.items()} | fresh

    async def _stored(self, wanted: Sequence[TopicPartition]) -> Stored:
        stored: dict[TopicPartition, tuple[int, str]] = {}
        async with self._database.transaction() as tx:
            for topic in sorted({tp.topic for tp in wanted}):
                mine = [tp.partition for tp in wanted if tp.topic == topic]
                found = await inbox.positions(tx, self._group, topic, mine)
                stored |= {TopicPartition(topic, number): at for number, at in found.items()}
        return stored

    async def _ends(
        self, client: AIOKafkaConsumer, wanted: Sequence[TopicPartition], stored: Stored
    ) -> Mapping[TopicPartition, int]:
        """Return the ends of partitions, read from the log itself where a position lies beyond.

        The embedded broker says the end is right after the first record of the last batch; a log
        must not be taken for a new one because of that.
        """
        claimed: Mapping[TopicPartition, int] = await client.end_offsets(wanted)
        beyond = {
            tp: offset
            for tp, (offset, log_id) in stored.items()
            if log_id == self.log_id and offset > claimed[tp]
        }
        if not beyond:
            return claimed
        return {**claimed, **(await _read_ends(self._bootstrap, claimed, beyond))}

    async def _start_anew(self, fresh: Mapping[TopicPartition, int]) -> None:
        for topic in sorted({tp.topic for tp in fresh}):
            moves = {tp.partition: offset for tp, offset in fresh.items() if tp.topic == topic}
            async with self._database.transaction() as tx:
                await inbox.start_position(tx, self._group, topic, moves, log_id=self.log_id)

    def _is_valid(self, stored: tuple[int, str] | None, first: int, last: int) -> bool:
        if stored is None:
            return False
        offset, log_id = stored
        if log_id != self.log_id or offset > last:
            log.warning("log_is_new", group=self._group, stored=offset, end=last)
            return False
        if offset < first:
            log.error("records_expired", group=self._group, lost=first - offset)
            return False
        return True


async def _read_ends(
    bootstrap: str, claimed: Mapping[TopicPartition, int], wanted: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Read on from the claimed ends, as far as is wanted; return the ends found."""
    ends = {tp: claimed[tp] for tp in wanted}
    client = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="latest"
    )
    try:
        async with asyncio.timeout(_LONGEST_READ):
            await client.start()
            client.assign(list(wanted))
            for tp, end in ends.items():
                client.seek(tp, end)
            while any(ends[tp] < offset for tp, offset in wanted.items()):
                found = await client.getmany(timeout_ms=_SILENCE_MS)
                if not found:
                    break
                for tp, records in found.items():
                    ends[tp] = records[-1].offset + 1
    finally:
        await client.stop()
    return ends
