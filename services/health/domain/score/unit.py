"""What the number of an input counts, so that people read it as they would say it."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from services.health.domain.profile.metrics import Metric, MetricKind

_SHARES = frozenset({MetricKind.STICKINESS, MetricKind.SEAT_UTILISATION})


class Unit(StrEnum):
    """How a number is said."""

    NUMBER = "number"
    COUNT = "count"  # of events, people or days: whole
    SHARE = "share"  # 0 to 1, said in percent


_WITHOUT_METRIC = {
    "usage_ratio": Unit.SHARE,
    "active_users_ratio": Unit.SHARE,
    "outcome_progress": Unit.SHARE,
    "days_since_activity": Unit.COUNT,
}


def units_of(metrics: Iterable[Metric]) -> Mapping[str, Unit]:
    """Return the unit of each input whose unit is known, by name; the others are numbers."""
    return {**_WITHOUT_METRIC, **{metric.name: _unit(metric.kind) for metric in metrics}}


def _unit(kind: MetricKind) -> Unit:
    if kind in _SHARES:
        return Unit.SHARE
    return Unit.NUMBER if kind is MetricKind.SUM else Unit.COUNT
