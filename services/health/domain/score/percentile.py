"""Where a value stands among those of similar accounts.

Formula: "Health, drops, value", health score point 1. All accounts are not read for each score:
their values are kept as quantiles, and a rank is read off them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

STEPS = 100
"""A distribution is kept as the quantiles 0 %, 1 %, ... 100 %."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """The values of an input over the accounts of a segment, as `STEPS` + 1 rising quantiles.

    ``window_days``: only accounts whose value is at most this old are in it.
    """

    segment: str
    input: str
    window_days: int
    quantiles: tuple[float, ...]
    accounts: int
    computed_at: datetime

    @classmethod
    def of(
        cls, segment: str, name: str, window_days: int, values: Sequence[float], at: datetime
    ) -> Self:
        """Return the distribution of an input's values; its quantiles are values that are there.

        They are those of SQL's ``percentile_disc``, which makes the kept ones.
        """
        ordered, last = sorted(values), len(values)
        picked = (ordered[max(-(-step * last // STEPS), 1) - 1] for step in range(STEPS + 1))
        return cls(segment, name, window_days, tuple(picked), last, at)

    def percentile(self, value: float) -> float:
        """Return the share of accounts below a value, 0..1; who is equal counts half.

        Between two quantiles it is a straight line: at most a hundredth off.
        """
        low, high = bisect_left(self.quantiles, value), bisect_right(self.quantiles, value)
        last = len(self.quantiles) - 1
        if low < high:
            return (low + high - 1) / 2 / last
        if low in (0, last + 1):
            return 0.0 if low == 0 else 1.0
        below, above = self.quantiles[low - 1], self.quantiles[low]
        return (low - 1 + (value - below) / (above - below)) / last

    @property
    def median(self) -> float:
        """Return the value in the middle."""
        return self.quantiles[len(self.quantiles) // 2]


@dataclass(frozen=True, slots=True)
class Peers:
    """What a value was compared with: enough to compute its rank again.

    ``percentile`` is None where the accounts were too few to say anything.
    """

    percentile: float | None
    accounts: int
    min_accounts: int
    median: float | None
    window_days: int
    computed_at: datetime | None
