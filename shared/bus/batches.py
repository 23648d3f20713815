"""Records as they come from a log, and the positions they stand at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Record(Protocol):
    """A Kafka record: raw bytes and where they stood."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one partition and the position they start from."""

    topic: str
    partition: int
    expected: int
    records: Sequence[Record]

    @property
    def next_offset(self) -> int:
        """The position after this batch."""
        return self.records[-1].offset + 1
