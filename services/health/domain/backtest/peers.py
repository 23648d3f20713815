"""The detector over one peer group, as it would have run: late counts count from their arrival."""

from dataclasses import dataclass
from datetime import date
from typing import Self

import numpy as np

from services.health.domain.backtest.history import Floats, Ints, UsageLog
from services.health.domain.detector.gpr import SegmentDay, seal_day
from services.health.domain.detector.state import DetectorState, SegmentState

_FAR = 2**40


@dataclass(frozen=True, slots=True)
class DailyNumbers:
    """One metric's numbers in the order of their days; ``slot`` is the account in the group."""

    slot: Ints
    day: Ints
    number: Floats
    known: Ints

    @classmethod
    def of_events(cls, log: UsageLog, slots: Ints) -> Self:
        """Return counts of events for the accounts that have a slot (-1: not of this group)."""
        mine = log.take(slots[log.account] >= 0)
        return cls(slots[mine.account], mine.day, mine.count, mine.known)

    @classmethod
    def of_users(cls, log: UsageLog, slots: Ints) -> Self:
        """Return active users: each counts once a day, from the first count that named them."""
        mine = log.take((slots[log.account] >= 0) & (log.count > 0))
        mine = mine.take(np.lexsort((mine.known, mine.user, mine.account, mine.day)))
        same = (
            (np.diff(mine.day, prepend=-_FAR) == 0)
            & (np.diff(mine.account, prepend=-_FAR) == 0)
            & (np.diff(mine.user, prepend=-_FAR) == 0)
        )
        one = mine.take(~same)
        return cls(slots[one.account], one.day, np.ones(len(one)), one.known)


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    through: int
    state: DetectorState
    segment: SegmentState
    ratio: Floats


class PeerReplay:
    """Seals a group's days up to one landmark after the other.

    Counts that arrived between two landmarks for days already sealed take the replay back to the
    landmark before those days, so that each landmark sees exactly what was known at it.
    """

    def __init__(self, accounts: int, numbers: DailyNumbers) -> None:
        self._accounts = accounts
        self._numbers = numbers
        first = int(numbers.day[0]) if len(numbers.day) else _FAR
        never = np.full(accounts, np.nan)
        self._kept = [_Checkpoint(first - 1, DetectorState.fresh(accounts), SegmentState(), never)]
        self._cutoff = -_FAR

    def ratios(self, through: int, cutoff: int) -> Floats:
        """Return R of each account after a day, by what was known at the cutoff; nan: no usage."""
        self._forget_what_was_too_early(cutoff)
        starts = self._first_days(cutoff)
        at = self._kept[-1]
        for day in range(at.through + 1, through + 1):
            at = self._seal(at, day, starts, cutoff)
        if at is not self._kept[-1]:
            self._kept.append(at)
        self._cutoff = cutoff
        return at.ratio

    def _forget_what_was_too_early(self, cutoff: int) -> None:
        known, day = self._numbers.known, self._numbers.day
        late = (known > self._cutoff) & (known <= cutoff) & (day <= self._kept[-1].through)
        if late.any():
            earliest = int(day[late].min())
            while self._kept[-1].through >= earliest:
                self._kept.pop()

    def _first_days(self, cutoff: int) -> Ints:
        first = np.full(self._accounts, _FAR, dtype=np.int64)
        known = self._numbers.known <= cutoff
        np.minimum.at(first, self._numbers.slot[known], self._numbers.day[known])
        return first

    def _counts(self, day: int, cutoff: int) -> Floats:
        numbers = self._numbers
        low, high = np.searchsorted(numbers.day, (day, day + 1))
        known = numbers.known[low:high] <= cutoff
        counts: Floats = np.bincount(
            numbers.slot[low:high][known],
            weights=numbers.number[low:high][known],
            minlength=self._accounts,
        ).astype(np.float64)
        return counts

    def _seal(self, at: _Checkpoint, day: int, starts: Ints, cutoff: int) -> _Checkpoint:
        here = np.flatnonzero(starts <= day)
        if not len(here):
            return _Checkpoint(day, at.state, at.segment, at.ratio)
        counts = self._counts(day, cutoff)
        one = SegmentDay(counts=counts[here], weekday=date.fromordinal(day).weekday())
        sealed = seal_day(at.state.take(here), at.segment, one)
        ratio = np.full(self._accounts, np.nan)
        ratio[here] = sealed.result.ratio
        return _Checkpoint(day, at.state.put(here, sealed.state), sealed.segment, ratio)
