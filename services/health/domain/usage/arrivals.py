"""Arrivals: usage events on their way to being counted.

A batch is kept by columns, not by rows: most of the work is then done by loops that are not
Python's own, and there is no object per event.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from math import isfinite
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]
"""What stands at each place, as the number of its label."""


class Amount(NamedTuple):
    """A number that an event carries. ``place`` is the event's place in its batch."""

    place: int
    property: str
    value: float


class Came(NamedTuple):
    """How a record came in: from which partition, and when."""

    partition: int
    received_at: datetime


class Coded(NamedTuple):
    """A column of texts: its labels, sorted, and which one stands at each place; -1 for none."""

    labels: list[str]
    codes: Codes


class Account(NamedTuple):
    """An account and the places of its events, in their order."""

    id: str
    places: list[int]


@dataclass(frozen=True, slots=True)
class Grouped:
    """Events by account: ``order`` are their places, account after account.

    ``sizes`` are the numbers of events of ``ids``, which are sorted.
    """

    ids: list[str]
    order: Codes
    sizes: Codes

    def __iter__(self) -> Iterator[Account]:
        places, end = self.order.tolist(), 0
        for account_id, size in zip(self.ids, self.sizes.tolist(), strict=True):
            start, end = end, end + size
            yield Account(account_id, places[start:end])


@dataclass(slots=True)
class Arrivals:
    """Usage events by column; they share their places.

    ``keys`` stand for (source, id); ``users`` without one are None. ``past`` are the places of
    past usage, which says nothing about how far time has come.
    """

    keys: list[bytes] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    users: list[str | None] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    came: list[Came] = field(default_factory=list)
    amounts: list[Amount] = field(default_factory=list)
    past: set[int] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.keys)

    def repeated(self) -> set[int]:
        """Return the places of events that stand in the batch before."""
        if len(set(self.keys)) == len(self.keys):
            return set()
        seen: set[bytes] = set()
        again = set()
        for place, key in enumerate(self.keys):
            if key in seen:
                again.add(place)
            seen.add(key)
        return again


def coded(column: Sequence[str | None]) -> Coded:
    """Return a column as numbers, which are counted a good deal faster than texts."""
    labels = sorted({label for label in set(column) if label is not None})
    numbers: dict[str | None, int] = {label: number for number, label in enumerate(labels)}
    numbers[None] = -1
    return Coded(labels, np.fromiter(map(numbers.__getitem__, column), np.int64, len(column)))


def by_account(accounts: Sequence[str]) -> Grouped:
    """Return the places of events by their accounts."""
    labels, codes = coded(accounts)
    sizes = np.bincount(codes, minlength=len(labels)).astype(np.int64)
    return Grouped(labels, np.argsort(codes, kind="stable"), sizes)


def event_key(source: str, event_id: str) -> UUID:
    """Return 128 bits that stand for a (source, id): two differ with near certainty."""
    return UUID(bytes=keys_of(source, [event_id])[0])


def keys_of(source: str, event_ids: Iterable[str]) -> list[bytes]:
    """Return the keys of events of one source: 16 bytes each."""
    begun, keys = _begun(source), []
    for event_id in event_ids:
        digest = begun.copy()
        digest.update(event_id.encode())
        keys.append(digest.digest())
    return keys


def amounts_of(properties: Mapping[str, Any], names: Iterable[str], place: int) -> Iterator[Amount]:
    """Give the numbers among some properties of an event; what is no number adds nothing."""
    for name in sorted(names):
        value = properties.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            with suppress(OverflowError):  # an integer beyond what a float can say
                amount = Amount(place, name, float(value))
                if isfinite(amount.value):
                    yield amount


@lru_cache(maxsize=1024)
def _begun(source: str) -> Any:
    return blake2b(f"{source}\0".encode(), digest_size=16)
