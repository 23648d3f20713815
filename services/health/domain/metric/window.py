"""The formulas: from the usage of a window of days to one number, and to words about it.

Source: "Health, drops, value", Money: stickiness is DAU / MAU per account; seat utilisation is
the active users of 28 days over the seats.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from services.health.domain.profile.metrics import Metric, MetricKind
from shared.kernel.figures import counted, figure, percent

_ENOUGH_DAYS = 7


@dataclass(frozen=True, slots=True)
class Tally:
    """What was seen of one event in a window: how often, and on which day last."""

    n: int
    last_day: date


@dataclass(frozen=True, slots=True)
class Window:
    """The usage of an account over the days that end with ``day``.

    ``days_known`` is how many of them lie in the account's own history, ``users`` are distinct
    and ``user_days`` adds up the distinct users of each day. ``sums`` are totals and how many
    events had a number, by event and property; ``sums_since`` is the first day of which each is
    whole. Seats are None when no contract is known.
    """

    day: date
    days_known: int
    events: Mapping[str, Tally] = field(default_factory=dict)
    users: int = 0
    user_days: int = 0
    sums: Mapping[tuple[str, str], tuple[float, int]] = field(default_factory=dict)
    sums_since: Mapping[tuple[str, str], date] = field(default_factory=dict)
    seats: int | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric's value on a day, what it is made of, and the same in words.

    ``sample`` counts what was added up: events, or people for kinds that are about people.
    """

    day: date
    value: float
    sample: int
    days_known: int
    baseline: str

    def is_enough(self, metric: Metric) -> bool:
        """Tell whether enough of the window is known to judge an account by it."""
        return self.days_known >= min(metric.window_days, _ENOUGH_DAYS)


def measure(metric: Metric, window: Window) -> Measured | None:
    """Return the value of a metric, or None where it has none: no seats, nobody to count."""
    if window.days_known < 1:
        return None
    return _FORMULAS[metric.kind](metric, window)


def _count(metric: Metric, window: Window) -> Measured:
    n = _events(metric, window)
    return _measured(window, n, n, f"{counted(n, 'event')} in {_span(metric, window)}")


def _sum(metric: Metric, window: Window) -> Measured | None:
    pairs = [(event, str(metric.property)) for event in metric.events]
    since = max(window.sums_since.get(pair, date.max) for pair in pairs)
    if window.day < since:
        return None  # it was not added up then
    window = replace(
        window, days_known=min(window.days_known, window.day.toordinal() - since.toordinal() + 1)
    )
    parts = [window.sums.get(pair, (0.0, 0)) for pair in pairs]
    total, n = math.fsum(part[0] for part in parts), sum(part[1] for part in parts)
    if n == 0 and any(metric.counts(name) for name in window.events):
        return None  # events without the number, which may be called otherwise: that is no zero
    words = f"{metric.property} adds up to {figure(total)} over {counted(n, 'event')}"
    return _measured(window, total, n, f"{words} in {_span(metric, window)}")


def _distinct_users(metric: Metric, window: Window) -> Measured:
    words = f"{counted(window.users, 'person', 'people')} active in {_span(metric, window)}"
    return _measured(window, window.users, window.users, words)


def _breadth(metric: Metric, window: Window) -> Measured:
    names = [name for name in window.events if metric.counts(name)]
    of = f" of {len(metric.events)}" if metric.events else ""
    kinds = "kind" if len(names) == 1 and not of else "kinds"
    words = f"{len(names)}{of} {kinds} of events in {_span(metric, window)}"
    return _measured(window, len(names), _events(metric, window), words)


def _stickiness(metric: Metric, window: Window) -> Measured | None:
    if window.users == 0:
        return None
    a_day = window.user_days / window.days_known
    share = a_day / window.users
    words = f"on average {a_day:.1f} of {counted(window.users, 'person', 'people')} a day"
    words = f"{words} ({percent(share)}), over {_span(metric, window)}"
    return _measured(window, share, window.users, words)


def _seat_utilisation(metric: Metric, window: Window) -> Measured | None:
    if not window.seats or (window.users == 0 and window.events):
        return None  # no contract, or a product that does not say who its users are
    share = window.users / window.seats
    words = f"{window.users} of {counted(window.seats, 'seat')} ({percent(share)})"
    words = f"{words} active in {_span(metric, window)}"
    return _measured(window, share, window.users, words)


def _key_action_recency(metric: Metric, window: Window) -> Measured:
    seen = {name: tally for name, tally in window.events.items() if metric.counts(name)}
    if not seen:
        words = f"none of {', '.join(metric.events)} in {_span(metric, window)}"
        return _measured(window, window.days_known, 0, words)
    name = max(seen, key=lambda one: (seen[one].last_day, one))
    days = (window.day - seen[name].last_day).days
    words = f"{name} last seen {'today' if days == 0 else counted(days, 'day') + ' ago'}"
    return _measured(window, days, sum(tally.n for tally in seen.values()), words)


_FORMULAS: Mapping[MetricKind, Callable[[Metric, Window], Measured | None]] = {
    MetricKind.COUNT: _count,
    MetricKind.SUM: _sum,
    MetricKind.DISTINCT_USERS: _distinct_users,
    MetricKind.BREADTH: _breadth,
    MetricKind.STICKINESS: _stickiness,
    MetricKind.SEAT_UTILISATION: _seat_utilisation,
    MetricKind.KEY_ACTION_RECENCY: _key_action_recency,
}


def _measured(window: Window, value: float, sample: int, baseline: str) -> Measured:
    return Measured(window.day, float(value), sample, window.days_known, baseline)


def _events(metric: Metric, window: Window) -> int:
    return sum(tally.n for name, tally in window.events.items() if metric.counts(name))


def _span(metric: Metric, window: Window) -> str:
    if window.days_known < metric.window_days:
        return f"the {counted(window.days_known, 'day')} known of {metric.window_days}"
    return counted(metric.window_days, "day")
