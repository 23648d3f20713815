"""Counting: what a batch of usage events adds to each account and day.

Texts are numbered first: numpy then counts the numbers of a whole batch at once, in the order of
their texts, which is the order in which rows are to be written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

import numpy as np

from services.health.domain.usage.arrivals import Came, Closed, Coded, Codes, Grouped, Mask
from services.health.domain.usage.local_days import LocalDays

Cell = tuple[str, date, str]
"""An account, a day, and the name of an event or the id of a user."""

SumCell = tuple[str, date, str, str]
"""An account, a day, the name of an event, and one of its properties."""

Wanted = Mapping[str, frozenset[str]]
"""The properties to add up, by event name."""


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


def count(arrivals: Closed, zones: Mapping[str, str], counted: Mask) -> Counts:
    """Add up those events of a batch that count; there is at least one."""
    days = LocalDays(zones)
    order = arrivals.grouped.order
    tally = _Tally(arrivals.grouped, days.of_all(arrivals.grouped, arrivals.times), counted[order])
    events = tally.by(arrivals.names)
    users = tally.by(arrivals.users)
    # Cells are in order, so the first of an account has its first day.
    first = dict(zip(reversed(events.accounts), reversed(events.days), strict=True))
    sums = _add_up(arrivals, days, counted) if arrivals.amounts else {}
    return Counts(events, users, sums, first)


def who_did(arrivals: Closed, name: str, counted: Mask) -> set[tuple[str, str]]:
    """Return the (account, user) pairs of the events of a name that count."""
    wanted = counted & arrivals.names.are(name) & (arrivals.users.codes >= 0)
    if not wanted.any():
        return set()
    width = len(arrivals.users.labels)
    pairs = np.unique(arrivals.accounts.codes[wanted] * width + arrivals.users.codes[wanted])
    accounts, users = np.divmod(pairs, width)
    return set(
        zip(
            _texts(arrivals.accounts.labels, accounts),
            _texts(arrivals.users.labels, users),
            strict=True,
        )
    )


def standings(arrivals: Closed) -> dict[str, Standing]:
    """Return where a batch leaves each account, also by events that do not count again."""
    times, came = arrivals.times, arrivals.came
    found = {}
    for account_id, places in arrivals.grouped:
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
    counted: Mask

    def by(self, column: Coded) -> Cells:
        """Count those that have a label, by it."""
        codes = column.codes[self.grouped.order]
        wanted = self.counted & (codes >= 0)
        if not wanted.any():
            return Cells([], [], [], [])
        first, width = int(self.days.min()), len(column.labels)
        span = int(self.days.max()) - first + 1
        account_days = self.grouped.numbers() * span + self.days - first
        cells = (account_days * width + codes)[wanted]
        found, events = np.unique(cells, return_counts=True)
        by_day, labels = np.divmod(found, width)
        accounts, ordinals = np.divmod(by_day, span)
        return Cells(
            _texts(self.grouped.ids, accounts),
            _dates(ordinals + first),
            _texts(column.labels, labels),
            events.tolist(),
        )


def _texts(labels: Sequence[str], codes: Codes) -> list[str]:
    return [labels[code] for code in codes.tolist()]


def _dates(ordinals: Codes) -> list[date]:
    known = {ordinal: date.fromordinal(ordinal) for ordinal in np.unique(ordinals).tolist()}
    return [known[ordinal] for ordinal in ordinals.tolist()]


def _add_up(arrivals: Closed, days: LocalDays, counted: Mask) -> dict[SumCell, tuple[float, int]]:
    sums: dict[SumCell, tuple[float, int]] = {}
    accounts, names = arrivals.accounts, arrivals.names
    for place, name, value in arrivals.amounts:
        if counted[place]:
            account_id = accounts.labels[accounts.codes[place]]
            day = days.of(account_id, arrivals.times[place])
            cell = (account_id, day, names.labels[names.codes[place]], name)
            total, n = sums.get(cell, (0.0, 0))
            sums[cell] = (total + value, n + 1)
    return sums
