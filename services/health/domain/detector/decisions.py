"""What people decided about monitoring an account: a new normal, a suspension, a known gap."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class DecisionKind(StrEnum):
    """What was decided."""

    NEW_NORMAL = "new_normal"  # after the first day, usage as it was then is normal
    SUSPENSION = "suspension"  # nothing is judged or learned, until somebody resumes
    KNOWN_GAP = "known_gap"  # the same, between two days that are known


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision that holds from a day to another, inclusive; an open end is None.

    It is kept as data with the days it is about, so that judging the past again obeys it on the
    right days.
    """

    kind: DecisionKind
    from_day: date
    until_day: date | None
    reason: str

    def suspends(self, day: date) -> bool:
        """Say whether a day is neither judged nor learned from."""
        if self.kind is DecisionKind.NEW_NORMAL or day < self.from_day:
            return False
        return self.until_day is None or day <= self.until_day

    def rebases(self, day: date) -> bool:
        """Say whether usage becomes normal after a day."""
        return self.kind is DecisionKind.NEW_NORMAL and day == self.from_day
