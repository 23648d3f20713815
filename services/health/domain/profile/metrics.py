"""What is counted: named numbers per account and day, as a profile defines them."""

from collections.abc import Iterable
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
    watch: bool = False  # a drop of it is looked for; kind count only

    def counts(self, event_name: str) -> bool:
        """Say whether an event of this name is part of the metric."""
        return not self.events or event_name in self.events


EVENTS = "events"
ACTIVE_USERS = "active_users"
ALWAYS_WATCHED = (
    Metric(EVENTS, MetricKind.COUNT, watch=True),
    Metric(ACTIVE_USERS, MetricKind.ACTIVE_USERS, watch=True),
)


def watched(metrics: Iterable[Metric]) -> tuple[Metric, ...]:
    """Return the metrics a drop is looked for in: all events, active users, and those marked."""
    taken = {metric.name for metric in ALWAYS_WATCHED}
    return (*ALWAYS_WATCHED, *(one for one in metrics if one.watch and one.name not in taken))
