"""Arrivals: usage events on their way to being counted.

A batch is kept by columns, not by rows: most of the work is then done by loops that are not
Python's own, and there is no object per event.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import numpy.typing as npt

LARGEST_AMOUNT = 1e15
"""More than anybody counts, in cents or bytes, and small enough to be added for ever."""
KEY_BYTES = 16
"""How long the key of an event is."""

Codes = npt.NDArray[np.int64]
"""What stands at each place, as the number of its label."""

Mask = npt.NDArray[np.bool_]
"""Whether each place is meant."""


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

    def are(self, label: str) -> Mask:
        """Tell for each place whether a label stands there."""
        at = bisect_left(self.labels, label)
        is_known = at < len(self.labels) and self.labels[at] == label
        found: Mask = self.codes == (at if is_known else len(self.labels))
        return found


class Column:
    """A column of texts that is being filled. Texts are numbered as they come, and not kept.

    Numbers are counted a good deal faster than texts, and to look at a text again when many
    thousand others have come takes as long as to decode it.
    """

    def __init__(self) -> None:
        self._numbers = _Numbers()
        self._numbers[None] = 0
        self._parts: list[Codes] = []

    def extend(self, texts: Sequence[str | None]) -> None:
        """Add texts; None stands for none."""
        numbers = map(self._numbers.__getitem__, texts)
        self._parts.append(np.fromiter(numbers, np.int64, len(texts)))

    def coded(self) -> Coded:
        """Return what it holds."""
        labels = sorted(label for label in self._numbers if label is not None)
        ranks = np.empty(len(self._numbers), dtype=np.int64)
        ranks[[self._numbers[label] for label in labels]] = np.arange(len(labels))
        ranks[0] = -1
        return Coded(labels, ranks[np.concatenate(self._parts or [np.empty(0, np.int64)])])


class _Numbers(dict[str | None, int]):
    """The numbers of texts: a new one gets the next."""

    def __missing__(self, text: str | None) -> int:
        number = self[text] = len(self)
        return number


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

    def numbers(self) -> Codes:
        """Return the number of its account for each event in that order."""
        return np.repeat(np.arange(len(self.ids)), self.sizes)


@dataclass(slots=True)
class Arrivals:
    """Usage events by column; they share their places.

    ``keys`` stand for (source, id). ``past`` are the places of past usage, which says nothing
    about how far time has come.
    """

    keys: list[bytes] = field(default_factory=list)
    accounts: Column = field(default_factory=Column)
    names: Column = field(default_factory=Column)
    users: Column = field(default_factory=Column)
    times: list[datetime] = field(default_factory=list)
    came: list[Came] = field(default_factory=list)
    amounts: list[Amount] = field(default_factory=list)
    past: set[int] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.keys)

    def first_places(self) -> dict[bytes, int]:
        """Return for each key the place where it stands first."""
        return dict(zip(reversed(self.keys), range(len(self.keys) - 1, -1, -1), strict=True))

    def closed(self) -> "Closed":
        """Return them as they are counted."""
        accounts = self.accounts.coded()
        sizes = np.bincount(accounts.codes, minlength=len(accounts.labels)).astype(np.int64)
        order = np.argsort(accounts.codes, kind="stable")
        return Closed(
            Grouped(accounts.labels, order, sizes),
            accounts,
            self.names.coded(),
            self.users.coded(),
            self.times,
            self.came,
            self.amounts,
            self.past,
        )


class Closed(NamedTuple):
    """Arrivals to which nothing is added any more, by place and by account."""

    grouped: Grouped
    accounts: Coded
    names: Coded
    users: Coded
    times: Sequence[datetime]
    came: Sequence[Came]
    amounts: Sequence[Amount]
    past: set[int]


def event_key(source: str, event_id: str) -> UUID:
    """Return 128 bits that stand for a (source, id): two differ with near certainty."""
    return UUID(bytes=keys_of(source, [event_id])[0])


def keys_of(source: str, event_ids: Iterable[str]) -> list[bytes]:
    """Return the keys of events of one source, of `KEY_BYTES` each."""
    begun, keys = _begun(source), []
    for event_id in event_ids:
        digest = begun.copy()
        digest.update(event_id.encode())
        keys.append(digest.digest())
    return keys


def amounts_of(properties: Mapping[str, Any], names: Iterable[str], place: int) -> Iterator[Amount]:
    """Give the numbers among some properties of an event; what is no number adds nothing.

    Nor does what no business counts: a few of the largest floats add up to more than any holds.
    """
    for name in sorted(names):
        value = properties.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            with suppress(OverflowError):  # an integer beyond what a float can say
                amount = Amount(place, name, float(value))
                if abs(amount.value) <= LARGEST_AMOUNT:  # nan is not
                    yield amount


@lru_cache(maxsize=1024)
def _begun(source: str) -> Any:
    return blake2b(f"{source}\0".encode(), digest_size=KEY_BYTES)
