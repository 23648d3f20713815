"""Counting: what a batch of usage events adds to each account and day.

A batch is kept by columns, not by rows: most of the work is then done by loops that are not
Python's own, and there is no object per event.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache
from hashlib import blake2b
from itertools import compress
from math import isfinite
from typing import Any, NamedTuple
from uuid import UUID

from shared.kernel.days import day_begins, day_ends, local_day, zone_of

Cell = tuple[str, date, str]
"""An account, a day, and the name of an event or the id of a user."""

SumCell = tuple[str, date, str, str]
"""An account, a day, the name of an event, and one of its properties."""

Wanted = Mapping[str, frozenset[str]]
"""The properties to add up, by event name."""

_INSTANT = timedelta(microseconds=1)
_NO_SKIPS: frozenset[int] = frozenset()


class Amount(NamedTuple):
    """A number that an event carries. ``place`` is the event's place in its batch."""

    place: int
    property: str
    value: float


@dataclass(slots=True)
class Arrivals:
    """Usage events on their way to being counted, by column; they share their places.

    ``keys`` stand for (source, id). ``last`` is the latest time of each account, ``received`` when
    its last event came in; ``backfilled`` are accounts of which the batch holds past usage.
    """

    keys: list[bytes] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    users: list[str | None] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    amounts: list[Amount] = field(default_factory=list)
    last: dict[str, datetime] = field(default_factory=dict)
    received: dict[str, datetime] = field(default_factory=dict)
    backfilled: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.keys)

    def only(self, places: Collection[int]) -> "Arrivals":
        """Return the events at some places; what is known of accounts stays as it is."""
        wanted = [place in places for place in range(len(self.keys))]
        return Arrivals(
            list(compress(self.keys, wanted)),
            list(compress(self.accounts, wanted)),
            list(compress(self.names, wanted)),
            list(compress(self.users, wanted)),
            list(compress(self.times, wanted)),
            [],
            self.last,
            self.received,
            self.backfilled,
        )

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


class AccountDelta(NamedTuple):
    """What a batch says about an account as a whole."""

    first_day: date
    last_active_at: datetime
    received_at: datetime
    is_backfilled: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """What a batch adds: events by (account, day, name), and by (account, day, user).

    ``sums`` are (total, number of events) of the properties that are added up.
    """

    events: Counter[Cell] = field(default_factory=Counter)
    users: Counter[Cell] = field(default_factory=Counter)
    sums: dict[SumCell, tuple[float, int]] = field(default_factory=dict)
    accounts: dict[str, AccountDelta] = field(default_factory=dict)


class _Tally(NamedTuple):
    """How many events there are of each name and of each user, by account and day."""

    events: Counter[Cell]
    users: Counter[Cell]


class LocalDays:
    """Tells on which local day of its account a moment falls; no zone named is UTC."""

    def __init__(self, zones: Mapping[str, str]) -> None:
        self._zones = zones
        self._spans: dict[str, tuple[datetime, datetime, date]] = {}

    def of(self, account_id: str, moment: datetime) -> date:
        """Return the day. Nearly all moments of a batch fall on the day looked up before."""
        zone = self._zones.get(account_id, "UTC")
        span = self._spans.get(zone)
        if span is not None and span[0] <= moment < span[1]:
            return span[2]
        day = local_day(moment, zone_of(zone))
        span = _span(day, zone)
        if span is not None:
            self._spans[zone] = span
        return day

    def of_all(self, account_ids: Sequence[str], moments: Sequence[datetime]) -> list[date]:
        """Return the days of several; live usage in UTC, all of one day, is told by its ends."""
        if not self._zones and moments:
            first, last = self.of("", min(moments)), self.of("", max(moments))
            if first == last:
                return [first] * len(moments)
        return list(map(self.of, account_ids, moments))


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


def count(
    arrivals: Arrivals, zones: Mapping[str, str], skipped: Collection[int] = _NO_SKIPS
) -> Counts:
    """Add up a batch, leaving out the places that are skipped."""
    events, users = _tally(arrivals, zones)
    if skipped:
        gone = _tally(arrivals.only(skipped), zones)
        _take(events, gone.events)
        _take(users, gone.users)
    sums = _add_up(arrivals, LocalDays(zones), skipped) if arrivals.amounts else {}
    return Counts(events, users, sums, _account_deltas(arrivals, events))


def amounts_of(properties: Mapping[str, Any], names: Iterable[str], place: int) -> Iterator[Amount]:
    """Give the numbers among some properties of an event; what is no number adds nothing."""
    for name in sorted(names):
        value = properties.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            with suppress(OverflowError):  # an integer beyond what a float can say
                amount = Amount(place, name, float(value))
                if isfinite(amount.value):
                    yield amount


def _tally(arrivals: Arrivals, zones: Mapping[str, str]) -> _Tally:
    """Count all events of a batch by the account's local day, and so their users."""
    accounts, users = arrivals.accounts, arrivals.users
    on = LocalDays(zones).of_all(accounts, arrivals.times)
    events = Counter(zip(accounts, on, arrivals.names, strict=True))
    cells: Any = zip(accounts, on, users, strict=True)
    if None in users:
        cells = (cell for cell in cells if cell[2] is not None)
    return _Tally(events, Counter(cells))


def _take(counts: Counter[Cell], gone: Counter[Cell]) -> None:
    for cell, n in gone.items():
        counts[cell] -= n
        if not counts[cell]:
            del counts[cell]


def _add_up(
    arrivals: Arrivals, days: LocalDays, skipped: Collection[int]
) -> dict[SumCell, tuple[float, int]]:
    sums: dict[SumCell, tuple[float, int]] = {}
    for place, name, value in arrivals.amounts:
        if place not in skipped:
            account_id = arrivals.accounts[place]
            day = days.of(account_id, arrivals.times[place])
            cell = (account_id, day, arrivals.names[place], name)
            total, n = sums.get(cell, (0.0, 0))
            sums[cell] = (total + value, n + 1)
    return sums


def _account_deltas(arrivals: Arrivals, events: Iterable[Cell]) -> dict[str, AccountDelta]:
    first: dict[str, date] = {}
    for account_id, day, _ in events:
        if day < first.get(account_id, date.max):
            first[account_id] = day
    return {
        account_id: AccountDelta(
            day,
            arrivals.last[account_id],
            arrivals.received[account_id],
            account_id in arrivals.backfilled,
        )
        for account_id, day in first.items()
    }


@lru_cache(maxsize=1024)
def _begun(source: str) -> Any:
    return blake2b(f"{source}\0".encode(), digest_size=16)


@lru_cache(maxsize=4096)
def _span(day: date, zone: str) -> tuple[datetime, datetime, date] | None:
    """Return a day's first instant and the one after it; None when its clock changes.

    Only while the offset stands still is everything in between on that day for certain.
    """
    try:
        begins, ends = day_begins(day, zone_of(zone)), day_ends(day, zone_of(zone))
    except OverflowError:
        return None
    offsets = {_offset(begins, zone_of(zone)), _offset(ends - _INSTANT, zone_of(zone))}
    return (begins, ends, day) if len(offsets) == 1 else None


def _offset(moment: datetime, zone: tzinfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()
