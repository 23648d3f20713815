"""What the detector remembers: 22 numbers per account and metric, 7 per segment."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FLOATS_PER_ACCOUNT = 22
NEVER = 1e6
MIN_VOTERS = 5


@dataclass(frozen=True, slots=True)
class DayTally:
    """Sums over peers on one day; sums of groups add up to the sum of the segment.

    `observed` and `expected` are S and B of the peer factor, from `voters` accounts; the shape
    pair is the numerator and denominator of the weekday's share.
    """

    observed: float = 0.0
    expected: float = 0.0
    shape_observed: float = 0.0
    shape_expected: float = 0.0
    voters: int = 0

    def __add__(self, other: "DayTally") -> "DayTally":
        return DayTally(
            self.observed + other.observed,
            self.expected + other.expected,
            self.shape_observed + other.shape_observed,
            self.shape_expected + other.shape_expected,
            self.voters + other.voters,
        )

    def peer_factor(self) -> float:
        """Return g: the share of their normal that similar accounts did today, at most 1.

        Five imaginary events on each side keep a few quiet peers from excusing a drop. With
        fewer than `MIN_VOTERS` an account would mostly be compared with itself, and its own drop
        would excuse it: then there are no peers, and g is 1.
        """
        if self.voters < MIN_VOTERS:
            return 1.0
        return min(1.0, (5 + self.observed) / (5 + self.expected))


NO_PEERS = DayTally()


@dataclass(frozen=True, slots=True)
class SegmentState:
    """The weekday habit of a segment, Monday first.

    `raw` is kept as learned and divided by its mean only where it is used: dividing what is kept
    would change how fast the other weekdays are forgotten.
    """

    raw: tuple[float, ...] = (1.0,) * 7

    def weekday_shape(self) -> tuple[float, ...]:
        """Return the share of each weekday, mean 1."""
        mean = math.fsum(self.raw) / 7
        return tuple(share / mean for share in self.raw)

    def learn(self, weekday: int, tally: DayTally) -> "SegmentState":
        """Keep nine tenths of the weekday's share and take one tenth from today."""
        if tally.shape_expected <= 0:
            return self
        share = 0.9 * self.raw[weekday] + 0.1 * tally.shape_observed / tally.shape_expected
        return SegmentState((*self.raw[:weekday], share, *self.raw[weekday + 1 :]))


@dataclass(frozen=True, slots=True)
class DetectorState:
    """The accounts of one peer group as arrays: one column per account.

    Never change an array in place: states before and after a day share them.
    """

    age: Floats  # days sealed so far
    events: Floats  # N, half-life 42 days
    exposure: Floats  # D
    weekday_events: Floats  # Wn, 7 x accounts
    weekday_exposure: Floats  # We, 7 x accounts
    noise_excess: Floats  # Vn
    noise_exposure: Floats  # Vd
    seen: Floats  # a
    foreseen: Floats  # b
    days_since_alarm: Floats

    @classmethod
    def fresh(cls, accounts: int) -> Self:
        """Return accounts that have not been seen on any day."""
        row = [0.0] * 17 + [2.5, 10.0, 0.0, 0.0, NEVER]
        return cls.from_rows([row] * accounts)

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[float]]) -> Self:
        """Read what `to_rows` wrote. Raises ValueError for rows of another length."""
        if any(len(row) != FLOATS_PER_ACCOUNT for row in rows):
            raise ValueError(
                f"a detector row has {FLOATS_PER_ACCOUNT} numbers; rebuild it from daily counts"
            )
        table = np.array(rows, dtype=np.float64).reshape(-1, FLOATS_PER_ACCOUNT).T.copy()
        return cls.from_table(table)

    def to_rows(self) -> list[list[float]]:
        """Return one list of 22 numbers per account, for storage."""
        rows: list[list[float]] = self.table().T.tolist()
        return rows

    def take(self, positions: Sequence[int] | NDArray[np.intp]) -> Self:
        """Return the accounts at these positions, in this order."""
        return self.from_table(self.table()[:, np.asarray(positions, dtype=np.intp)])

    def put(self, positions: Sequence[int] | NDArray[np.intp], accounts: "DetectorState") -> Self:
        """Return this group with the accounts at these positions replaced."""
        table = self.table()
        table[:, np.asarray(positions, dtype=np.intp)] = accounts.table()
        return self.from_table(table)

    def joined(self, newcomers: "DetectorState") -> Self:
        """Return this group with further accounts at its end."""
        return self.from_table(np.hstack([self.table(), newcomers.table()]))

    def changed(self, **arrays: Floats) -> "DetectorState":
        """Return the same accounts with some arrays replaced."""
        return replace(self, **arrays)

    def __len__(self) -> int:
        return len(self.age)

    @classmethod
    def from_table(cls, table: Floats) -> Self:
        """Read 22 x accounts, without copying."""
        return cls(
            age=table[0],
            events=table[1],
            exposure=table[2],
            weekday_events=table[3:10],
            weekday_exposure=table[10:17],
            noise_excess=table[17],
            noise_exposure=table[18],
            seen=table[19],
            foreseen=table[20],
            days_since_alarm=table[21],
        )

    def table(self) -> Floats:
        """Return the numbers as 22 x accounts."""
        return np.vstack(
            [
                self.age,
                self.events,
                self.exposure,
                self.weekday_events,
                self.weekday_exposure,
                self.noise_excess,
                self.noise_exposure,
                self.seen,
                self.foreseen,
                self.days_since_alarm,
            ]
        )
