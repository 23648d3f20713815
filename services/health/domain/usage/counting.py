"""Counting: what a batch of usage events adds to each account and day.

Texts are numbered first: numpy then counts the numbers of a whole batch at once, in the order of
their texts, which is the order in which rows are to be written.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.health.domain.usage.arrivals import Arrivals, Came, Coded, Codes, Grouped, coded
from services.health.domain.usage.local_days import LocalDays

Cell = tuple[str, date, str]
"""An account, a day, and the name of an event or the id of a user."""

SumCell = tuple[str, date, str, str]
"""An account, a day, the name of an event, and one of its properties."""

Wanted = Mapping[str, frozenset[str]]
"""The properties to add up, by event name."""

_NO_SKIPS: frozenset[int] = frozenset()


class Cells(NamedTuple):
    """How many events there are in each `Cell`, by column, in the order of the cells."""

    accounts: list[str]
    days: list[date]
    labels: list[str]
    events: list[int]


class Live(NamedTuple):
    """An account's latest live event: its time, and how it came in."""

    time: datetime
    came: Came


class Standing(NamedTuple):
    """Where a batch leaves an account: its latest time, and when its last event came in.

    ``is_backfilled`` says whether any is past usage, ``live`` is the latest that is not.
    """

    last_active_at: datetime
    received_at: datetime
    is_backfilled: bool
    live: Live | None


@dataclass(frozen=True, slots=True)
class Counts:
    """What a batch adds: events by (account, day, name), and by (account, day, user).

    ``sums`` are (total, number of events) of the properties that are added up, ``first_days`` the
    first day of each account.
    """

    events: Cells
    users: Cells
    sums: Mapping[SumCell, tuple[float, int]]
    first_days: Mapping[str, date]


def count(
    arrivals: Arrivals,
    grouped: Grouped,
    zones: Mapping[str, str],
    skipped: Collection[int] = _NO_SKIPS,
) -> Counts:
    """Add up a batch of at least one event, leaving out the places that are skipped."""
    days = LocalDays(zones)
    on = days.of_all(grouped, arrivals.times)
    counted = np.ones(len(arrivals), dtype=np.bool_)
    counted[list(skipped)] = False
    tally = _Tally(grouped, on, counted[grouped.order])
    events = tally.by(coded(arrivals.names))
    users = tally.by(coded(arrivals.users))
    # Cells are in order, so the first of an account has its first day.
    first = dict(zip(reversed(events.accounts), reversed(events.days), strict=True))
    sums = _add_up(arrivals, days, skipped) if arrivals.amounts else {}
    return Counts(events, users, sums, first)


def standings(arrivals: Arrivals, grouped: Grouped) -> dict[str, Standing]:
    """Return where a batch leaves each account, also by events that do not count again."""
    times, came = arrivals.times, arrivals.came
    found = {}
    for account_id, places in grouped:
        last = at = max(places, key=times.__getitem__)
        past = arrivals.past.intersection(places) if arrivals.past else ()
        live = [place for place in places if place not in past] if past else places
        if past and live:
            at = max(live, key=times.__getitem__)
        latest = Live(times[at], came[at]) if live else None
        received_at = came[places[-1]].received_at
        found[account_id] = Standing(times[last], received_at, bool(past), latest)
    return found


@dataclass(frozen=True, slots=True)
class _Tally:
    """Counts events by account and day; ``days`` and ``counted`` are in the order of accounts."""

    grouped: Grouped
    days: Codes
    counted: npt.NDArray[np.bool_]

    def by(self, column: Coded) -> Cells:
        """Count those that have a label, by it."""
        codes = column.codes[self.grouped.order]
        wanted = self.counted & (codes >= 0)
        if not wanted.any():
            return Cells([], [], [], [])
        first, width = int(self.days.min()), len(column.labels)
        span = int(self.days.max()) - first + 1
        accounts = np.repeat(np.arange(len(self.grouped.ids)), self.grouped.sizes)
        cells = ((accounts * span + self.days - first) * width + codes)[wanted]
        found, events = np.unique(cells, return_counts=True)
        account_days, labels = np.divmod(found, width)
        numbers, ordinals = np.divmod(account_days, span)
        return Cells(
            _texts(self.grouped.ids, numbers),
            _dates(ordinals + first),
            _texts(column.labels, labels),
            events.tolist(),
        )


def _texts(labels: Sequence[str], codes: Codes) -> list[str]:
    return [labels[code] for code in codes.tolist()]


def _dates(ordinals: Codes) -> list[date]:
    known = {ordinal: date.fromordinal(ordinal) for ordinal in np.unique(ordinals).tolist()}
    return [known[ordinal] for ordinal in ordinals.tolist()]


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
