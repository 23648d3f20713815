"""Records that are not there yet.

A reader of Apache Kafka never sees a record before the one in front of it: where an offset is
missing, it was compacted away or marked the end of a transaction, and never comes. The embedded
broker may show a batch some milliseconds before the one in front of it (seen: 37 ms, once in
50,000 records while several producers wrote). A position that moved past it would lose it.
"""

import time
from collections.abc import Callable, Sequence

from aiokafka import TopicPartition

from shared.bus.batches import Batch
from shared.bus.topics import EMBEDDED
from shared.observability.logging import get_logger

log = get_logger(__name__)

_PATIENCE = 5.0
"""A gap that stays so long is believed."""


class Gaps:
    """The gaps in the logs of one cluster, and since when each is seen."""

    def __init__(self, log_id: str, now: Callable[[], float] = time.monotonic) -> None:
        self._may_close = log_id.startswith(EMBEDDED)
        self._now = now
        self._since: dict[tuple[TopicPartition, int], float] = {}

    def before(self, batches: Sequence[Batch]) -> tuple[list[Batch], dict[TopicPartition, int]]:
        """Return what stands before any gap that may still close, and where each of these is."""
        if not self._may_close:
            return list(batches), {}
        whole: list[Batch] = []
        gaps: dict[TopicPartition, int] = {}
        for batch in batches:
            if batch.next_offset - batch.expected == len(batch.records):
                whole.append(batch)
                continue
            place, offset = self._find(batch)
            if place < len(batch.records):
                gaps[TopicPartition(batch.topic, batch.partition)] = offset
            if place:
                records = batch.records[:place]
                whole.append(Batch(batch.topic, batch.partition, batch.expected, records))
        return whole, gaps

    def _find(self, batch: Batch) -> tuple[int, int]:
        """Return the place of the first record after a gap, and the offset that is missing."""
        offset = batch.expected
        for place, record in enumerate(batch.records):
            if record.offset > offset and self._is_open(batch, offset):
                return place, offset
            offset = record.offset + 1
        return len(batch.records), offset

    def _is_open(self, batch: Batch, offset: int) -> bool:
        at = (TopicPartition(batch.topic, batch.partition), offset)
        if self._now() - self._since.setdefault(at, self._now()) < _PATIENCE:
            return True
        log.error("records_missing", topic=batch.topic, partition=batch.partition, offset=offset)
        return False
