"""What is counted: named numbers per account and day, as a profile defines them."""

from dataclasses import dataclass
from enum import StrEnum


class MetricKind(StrEnum):
    """How usage events become one number a day."""

    COUNT = "count"  # events
    SUM = "sum"  # of a property of the events
    ACTIVE_USERS = "active_users"  # distinct users
    BREADTH = "breadth"  # distinct event names


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric; no events named means every usage event counts."""

    name: str
    kind: MetricKind
    events: tuple[str, ...] = ()
    property: str | None = None

    def counts(self, event_name: str) -> bool:
        """Say whether an event of this name is part of the metric."""
        return not self.events or event_name in self.events
