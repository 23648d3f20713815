"""The last fourteen weeks of events of many accounts: dips, silence, days with activity.

Rows are accounts, columns days, the last column the last sealed day. NaN is a day that says
nothing: before the account began, or while its monitoring is suspended.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from services.health.domain.detector.state import Floats

RECENT_DAYS = 98
HABIT_DAYS = 42
_WEEK = 7
_MONTH = 28
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class RecentUsage:
    """What the last weeks of each account say, as arrays.

    `last_week` and `week_before` are NaN when a day in them says nothing. `silent_days` are days
    without activity up to the last; `active_working_days` of `working_days` lie in the six weeks
    before the silence. `active_days` is of the last 28 days, `active_before` of the 28 before.
    """

    last_week: Floats
    week_before: Floats
    silent_days: NDArray[np.intp]
    active_working_days: NDArray[np.intp]
    working_days: NDArray[np.intp]
    active_days: NDArray[np.intp]
    active_before: NDArray[np.intp]

    @classmethod
    def of(cls, recent: Floats, weekday: NDArray[np.intp]) -> "RecentUsage":
        """Read the weeks; `weekday` is that of each account's last day, Monday 0."""
        known, active = ~np.isnan(recent), np.nan_to_num(recent) > 0
        weekdays = (weekday[:, None] - np.arange(recent.shape[1])[::-1]) % _WEEK
        last = _last_active(active)
        columns = np.arange(recent.shape[1])
        habit = (columns <= last[:, None]) & (columns > last[:, None] - HABIT_DAYS)
        working = known & habit & (weekdays < _SATURDAY)
        month = slice(-_MONTH, None)
        before = slice(-2 * _MONTH, -_MONTH)
        both_known = known[:, -2 * _MONTH :].all(axis=1)
        return cls(
            last_week=recent[:, -_WEEK:].sum(axis=1),
            week_before=recent[:, -2 * _WEEK : -_WEEK].sum(axis=1),
            silent_days=(known & (columns > last[:, None])).sum(axis=1),
            active_working_days=(working & active).sum(axis=1),
            working_days=working.sum(axis=1),
            active_days=np.where(both_known, active[:, month].sum(axis=1), 0),
            active_before=np.where(both_known, active[:, before].sum(axis=1), 0),
        )

    def fewer_days_by_chance(self) -> Floats:
        """Return how likely so few active days are if nothing has changed (one-sided binomial).

        Given the days of both months together, each would fall into either with chance one half.
        """
        both = self.active_days + self.active_before
        return np.asarray(bdtr(self.active_days, both, 0.5), dtype=np.float64)


def _last_active(active: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the column of the last active day; -1 when there is none."""
    size = active.shape[1]
    found = size - 1 - np.argmax(active[:, ::-1], axis=1)
    return np.where(active.any(axis=1), found, -1)


def roll(recent: Floats, counts: Floats, ends: tuple[NDArray[np.intp], NDArray[np.intp]]) -> Floats:
    """Return the weeks after new days.

    `counts` are accounts x days, NaN where nothing is known. `ends` are, per account, the first
    new column of `counts`, and the last: before the first the kept weeks speak.
    """
    first, last = ends
    columns = last[:, None] - np.arange(RECENT_DAYS)[::-1]
    old = columns - first[:, None] + RECENT_DAYS
    rows = np.arange(len(recent))[:, None]
    kept = np.where(old >= 0, recent[rows, np.clip(old, 0, RECENT_DAYS - 1)], np.nan)
    new = counts[rows, np.clip(columns, 0, counts.shape[1] - 1)]
    return np.where(columns >= first[:, None], new, kept)
