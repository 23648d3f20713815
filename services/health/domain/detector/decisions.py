"""What people decided about monitoring an account: a new normal, a suspension, a known gap."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
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


@dataclass(frozen=True, slots=True)
class Unwatched:
    """Days up to now that are not judged: since which day, and why they began."""

    since: date
    reason: str

    @property
    def last_judged(self) -> date:
        """The day that figures of the account are still about."""
        return self.since - timedelta(days=1)

    def in_words(self) -> str:
        """Say since when nobody watches, and why."""
        return f"not watched since {self.since} ({self.reason.rstrip('. ')})"


def unwatched(day: date, decisions: Sequence[Decision]) -> Unwatched | None:
    """Return the days without judgement that end with a day; None when that day is judged.

    Decisions that follow each other are one stretch, named by the reason it began with.
    """
    found = None
    while decision := next((one for one in decisions if one.suspends(day)), None):
        found = Unwatched(decision.from_day, decision.reason)
        day = found.last_judged
    return found
