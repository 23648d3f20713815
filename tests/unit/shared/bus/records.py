"""Records that came from no log."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Record:
    """A record of one partition; only where it stands and its size matter."""

    offset: int
    value: bytes | None = b"x" * 900
    topic: str = "t"
    partition: int = 0
    timestamp: int = 0
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()
