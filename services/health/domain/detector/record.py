"""What is kept of one metric of many accounts: the detector's memory, and what it said last."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from services.health.domain.detector.state import FLOATS_PER_ACCOUNT, DetectorState, Floats

SAID = ("seen", "expected", "ratio", "probability", "level", "peak")
Positions = NDArray[np.intp]
FLOATS_PER_RECORD = FLOATS_PER_ACCOUNT + len(SAID)


@dataclass(frozen=True, slots=True)
class Record:
    """One metric of many accounts after their last sealed day; arrays in the accounts' order.

    `seen`, `expected` and `level` are counts a day; `probability` is that of a drop by more than
    30 %. `peak` is the highest probability since usage was last normal: a drop alarm with
    threshold p* is on exactly while `peak` >= p*.
    """

    state: DetectorState
    seen: Floats
    expected: Floats
    ratio: Floats
    probability: Floats
    level: Floats
    peak: Floats

    @classmethod
    def fresh(cls, accounts: int) -> Self:
        """Return accounts of which no day is sealed."""
        zero, one = np.zeros(accounts), np.ones(accounts)
        return cls(DetectorState.fresh(accounts), zero, zero, one, zero, zero, zero)

    @classmethod
    def unpack(cls, table: Floats) -> Self:
        """Read accounts x `FLOATS_PER_RECORD`, as `pack` wrote it."""
        columns = np.ascontiguousarray(table.T)
        return cls(DetectorState.from_table(columns[:FLOATS_PER_ACCOUNT]), *columns[-len(SAID) :])

    def pack(self) -> Floats:
        """Return accounts x `FLOATS_PER_RECORD`, one row an account, for storage."""
        said = [getattr(self, name) for name in SAID]
        return np.ascontiguousarray(np.vstack([self.state.table(), *said]).T)

    def put(self, positions: Positions, accounts: "Record") -> "Record":
        """Return these accounts with those at the positions replaced."""
        said = {name: getattr(self, name).copy() for name in SAID}
        for name, values in said.items():
            values[positions] = getattr(accounts, name)
        return replace(self, state=self.state.put(positions, accounts.state), **said)

    def take(self, positions: Positions) -> "Record":
        """Return the accounts at these positions, in this order."""
        said = {name: getattr(self, name)[positions] for name in SAID}
        return replace(self, state=self.state.take(positions), **said)

    def __len__(self) -> int:
        return len(self.state)
