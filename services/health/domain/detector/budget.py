"""How sure the detector must be to call: thresholds that keep to an alert budget.

For every threshold of a grid it is counted how many alarms it would have raised, per volume band
and month. The lowest threshold whose alarms meet the budget is the band's p*.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray

from services.health.domain.detector.state import Floats

BAND_EDGES = (10.0, 30.0, 100.0, 300.0, 1000.0)
"""Events a week. Under the first nobody is monitored: band 0 is "too little usage"."""

GRID: tuple[float, ...] = (*(n / 100 for n in range(50, 95)), *(n / 1000 for n in range(950, 1000)))
"""The thresholds among which p* is chosen, lowest first."""

MIN_ACCOUNT_MONTHS = 200.0
DAYS_A_MONTH = 365.25 / 12


def band_of(level: Floats) -> NDArray[np.intp]:
    """Return the volume band of counts a day; 0 is too little usage to monitor."""
    return np.searchsorted(BAND_EDGES, level * 7, side="right")


def band_name(band: int) -> str:
    """Return a band in words: events a week."""
    if band == 0:
        return f"under {BAND_EDGES[0]:g} a week"
    if band == len(BAND_EDGES):
        return f"{BAND_EDGES[-1]:g} a week and more"
    return f"{BAND_EDGES[band - 1]:g} to {BAND_EDGES[band]:g} a week"


@dataclass(frozen=True, slots=True)
class Tally:
    """What each threshold of the grid would have raised in one band, and over how many days."""

    account_days: float
    openings: Floats

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.account_days + other.account_days, self.openings + other.openings)


@dataclass(slots=True)
class AlarmLedger:
    """Tallies by (band, month) of the days that are sealed in one go."""

    tallies: dict[tuple[int, date], Tally] = field(default_factory=dict)

    def note(self, day: date, level: Floats, before: Floats, after: Floats) -> None:
        """Count a day of accounts whose peak was `before` and is `after`.

        An alarm opens at every threshold above the peak before and not above the one after.
        """
        bands = band_of(level)
        low = np.searchsorted(GRID, before, side="right")
        high = np.maximum(np.searchsorted(GRID, after, side="right"), low)
        for band in np.unique(bands[bands > 0]).tolist():
            here = bands == band
            size = len(GRID) + 1
            edges = np.bincount(low[here], minlength=size) - np.bincount(high[here], minlength=size)
            today = Tally(float(here.sum()), np.cumsum(edges)[:-1].astype(np.float64))
            key = (band, day.replace(day=1))
            self.tallies[key] = self.tallies[key] + today if key in self.tallies else today


@dataclass(frozen=True, slots=True)
class Threshold:
    """p* of a band: the alarms it would have raised, over how many account-months.

    Not calibrated means that there is too little history, and p* is the profile's start value.
    """

    band: int
    p_star: float
    alarms: float
    account_months: float
    months: int
    budget: float
    is_calibrated: bool

    @property
    def alarms_per_100_a_month(self) -> float:
        """Alarms per 100 accounts a month that this threshold would have raised."""
        return 100 * self.alarms / self.account_months if self.account_months else 0.0


def calibrate(band: int, by_month: Mapping[date, Tally], budget: float, start: float) -> Threshold:
    """Choose the lowest p* whose alarms of these months meet the budget.

    `budget` is in alarms per 100 accounts a month; `start` is used while there is less than
    `MIN_ACCOUNT_MONTHS` of history. If even the highest threshold raises more, it is taken.
    """
    total = sum(by_month.values(), Tally(0.0, np.zeros(len(GRID))))
    account_months = total.account_days / DAYS_A_MONTH
    has_enough = account_months >= MIN_ACCOUNT_MONTHS
    meets = np.flatnonzero(100 * total.openings <= budget * account_months)
    at = int(meets[0]) if len(meets) else len(GRID) - 1
    if not has_enough:
        at = int(np.searchsorted(GRID, min(start, GRID[-1])))
    return Threshold(
        band=band,
        p_star=GRID[at] if has_enough else start,
        alarms=float(total.openings[at]),
        account_months=account_months,
        months=len(by_month),
        budget=budget,
        is_calibrated=has_enough,
    )


def at_threshold(band: int, by_month: Mapping[date, Tally], p_star: float) -> Threshold:
    """Return what a threshold of the grid raised in these months, whatever the budget."""
    total = sum(by_month.values(), Tally(0.0, np.zeros(len(GRID))))
    at = int(np.searchsorted(GRID, p_star))
    return Threshold(
        band=band,
        p_star=p_star,
        alarms=float(total.openings[at]),
        account_months=total.account_days / DAYS_A_MONTH,
        months=len(by_month),
        budget=0.0,
        is_calibrated=False,
    )


def p_star_of(level: Floats, p_stars: Sequence[float]) -> Floats:
    """Return the threshold of each account by its level; band 0 has one nobody reaches."""
    return np.array([2.0, *p_stars])[band_of(level)]
