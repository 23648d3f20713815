"""Metrics over the days before a landmark, for all accounts at once.

The formulas are those of live metrics: counts, people, kinds of events, people of a day over
people of the window, and days since a key action. A number of less than a week's knowledge is
not judged. Sums of properties need the events themselves, and are not observed here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.health.domain.backtest.history import Floats, Ints, UsageLog
from services.health.domain.profile.metrics import Metric
from services.health.domain.profile.profile import Profile

DEFAULT_WINDOW = 28
_ENOUGH_DAYS = 7
_USERS = frozenset({"active_users", "distinct_users", "stickiness"})


@dataclass(frozen=True, slots=True)
class Span:
    """The usage of all accounts over the days that end with ``through``."""

    log: UsageLog
    through: int
    days_known: Ints

    @property
    def accounts(self) -> int:
        """Return how many accounts there are."""
        return len(self.days_known)


def windowed(profile: Profile, *, names_users: bool) -> Sequence[Metric]:
    """Return the metrics that inputs of the same name listen to, and that can be counted here."""
    inputs = {one.name for dimension in profile.dimensions for one in dimension.inputs}
    return [
        metric
        for metric in profile.metrics
        if metric.name in inputs
        and metric.kind.value in _FORMULAS
        and (names_users or not counts_people(metric))
    ]


def measure_all(
    metric: Metric, events: Sequence[str], log: UsageLog, through: int, first_day: Ints
) -> Floats:
    """Return a metric of every account; nan is not observed.

    ``log`` is in the order of its days, that of people for metrics about people.
    ``first_day`` is each account's first day with usage, an ordinal past ``through`` for none.
    """
    days = window_days(metric)
    start = int(np.searchsorted(log.day, through - days + 1))
    inside = log.take(slice(start, len(log)))
    if metric.events:
        counted = np.array([metric.counts(name) for name in events] or [False])
        inside = inside.take(counted[inside.event])
    inside = inside.take(inside.count > 0)
    known = np.clip(through - first_day + 1, 0, days)
    values = _FORMULAS[metric.kind.value](Span(inside, through, known))
    return np.where(known >= min(days, _ENOUGH_DAYS), values, np.nan)


def counts_people(metric: Metric) -> bool:
    """Say whether a metric is about people, whatever they did."""
    return metric.kind.value in _USERS


def window_days(metric: Metric) -> int:
    """Return how far a metric looks back."""
    return int(getattr(metric, "window_days", DEFAULT_WINDOW))


def _count(span: Span) -> Floats:
    weights = span.log.count
    return np.bincount(span.log.account, weights, span.accounts).astype(np.float64)


def _people(span: Span) -> Floats:
    return _distinct(span.accounts, span.log.account, span.log.user)


def _breadth(span: Span) -> Floats:
    return _distinct(span.accounts, span.log.account, span.log.event)


def _stickiness(span: Span) -> Floats:
    user_days = _distinct(span.accounts, span.log.account, span.log.user, span.log.day)
    people = _people(span)
    share = np.full(span.accounts, np.nan)
    some = (people > 0) & (span.days_known > 0)
    share[some] = user_days[some] / span.days_known[some] / people[some]
    return share


def _recency(span: Span) -> Floats:
    last = np.full(span.accounts, -1, dtype=np.int64)
    np.maximum.at(last, span.log.account, span.log.day)
    return np.where(last < 0, span.days_known, span.through - last).astype(np.float64)


def _distinct(accounts: int, account: Ints, *what: Ints) -> Floats:
    if not len(account):
        return np.zeros(accounts)
    rows = np.unique(np.stack([account, *what]), axis=1)
    return np.bincount(rows[0], minlength=accounts).astype(np.float64)


_FORMULAS: Mapping[str, Callable[[Span], Floats]] = {
    "count": _count,
    "active_users": _people,
    "distinct_users": _people,
    "breadth": _breadth,
    "stickiness": _stickiness,
    "key_action_recency": _recency,
}
