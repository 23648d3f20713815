"""What is counted: named numbers per account and day, as a profile defines them."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from services.health.domain.profile.reading import ProfileInvalid, Section, check_name

LONGEST_WINDOW = 90
"""Days a metric may look back; what is older belongs to the score's own memory, half-lives."""

DEFAULT_WINDOW = 28
"""Four whole weeks: every weekday is in it equally often."""


class MetricKind(StrEnum):
    """How the usage of a window becomes one number."""

    COUNT = "count"  # events
    SUM = "sum"  # of a property of the events
    DISTINCT_USERS = "distinct_users"  # people who used the product
    BREADTH = "breadth"  # distinct event names
    STICKINESS = "stickiness"  # mean users of a day over the users of the window, 0 to 1
    SEAT_UTILISATION = "seat_utilisation"  # users of the window over the seats of the contract
    KEY_ACTION_RECENCY = "key_action_recency"  # days since one of the events


_TAKEN = frozenset({"usage_ratio", "active_users_ratio", "days_since_activity"})
"""Names of inputs that the detector gives."""

_OF_EVENTS = frozenset(
    {MetricKind.COUNT, MetricKind.SUM, MetricKind.BREADTH, MetricKind.KEY_ACTION_RECENCY}
)
_NEEDS_EVENTS = frozenset({MetricKind.SUM, MetricKind.KEY_ACTION_RECENCY})


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric; no events named means every usage event counts. The window is in days."""

    name: str
    kind: MetricKind
    events: tuple[str, ...] = ()
    property: str | None = None
    window_days: int = DEFAULT_WINDOW
    description: str = ""
    watch: bool = False  # a drop of it is looked for; kind count only

    def pairs(self) -> frozenset[tuple[str, str]]:
        """Return the (event, property) pairs whose sums it needs."""
        if self.kind is not MetricKind.SUM or self.property is None:
            return frozenset()
        return frozenset((event, self.property) for event in self.events)

    def counts(self, event_name: str) -> bool:
        """Say whether an event of this name is part of the metric."""
        return not self.events or event_name in self.events

    def is_same_number(self, other: "Metric") -> bool:
        """Tell whether two definitions give the same number, whatever they are described as."""
        mine = (self.kind, frozenset(self.events), self.property, self.window_days)
        return mine == (other.kind, frozenset(other.events), other.property, other.window_days)


def read_metric(name: str, section: Section) -> Metric:
    """Read a metric's definition. Raises ProfileInvalid."""
    section.only("kind", "events", "property", "window_days", "description", "watch")
    if name in _TAKEN:
        raise ProfileInvalid(f"{section.path}: choose another name, the detector gives this one")
    check_name(section.path, name)
    kind = MetricKind(section.choice("kind", MetricKind))
    _check_parts(kind, section)
    return Metric(
        name=name,
        kind=kind,
        events=section.texts("events"),
        property=section.text("property") if section.has("property") else None,
        window_days=section.whole("window_days", 1, DEFAULT_WINDOW, LONGEST_WINDOW),
        description=section.text("description") if section.has("description") else "",
        watch=section.flag("watch"),
    )


def _check_parts(kind: MetricKind, section: Section) -> None:
    if (kind is MetricKind.SUM) != section.has("property"):
        raise ProfileInvalid(
            f"{section.at('property')}: name one for kind sum, and for no other kind"
        )
    if kind not in _OF_EVENTS and section.has("events"):
        raise ProfileInvalid(
            f"{section.at('events')}: remove it; {kind} counts people, whatever they did"
        )
    if kind in _NEEDS_EVENTS and not section.texts("events"):
        raise ProfileInvalid(f"{section.at('events')}: name at least one event for kind {kind}")
    if section.flag("watch") and kind is not MetricKind.COUNT:
        raise ProfileInvalid(f"{section.at('watch')}: only metrics of kind count can be watched")


EVENTS = "events"
ACTIVE_USERS = "active_users"
ALWAYS_WATCHED = (
    Metric(EVENTS, MetricKind.COUNT, watch=True),
    Metric(ACTIVE_USERS, MetricKind.DISTINCT_USERS, watch=True),
)


def watched(metrics: Iterable[Metric]) -> tuple[Metric, ...]:
    """Return the metrics a drop is looked for in: all events, active users, and those marked."""
    taken = {metric.name for metric in ALWAYS_WATCHED}
    return (*ALWAYS_WATCHED, *(one for one in metrics if one.watch and one.name not in taken))
