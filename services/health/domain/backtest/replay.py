"""What was known of every account on a landmark, and nothing that came later."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from services.health.domain.backtest.history import (
    NOBODY,
    Floats,
    History,
    Ints,
    KnownSignal,
    UsageLog,
    last_closed_day,
    seen_at,
)
from services.health.domain.backtest.peers import DailyNumbers, PeerReplay
from services.health.domain.profile.metrics import Metric, MetricKind
from services.health.domain.profile.profile import Profile
from services.health.domain.score.score import Evidence, Observation

_REMEMBERED = timedelta(days=730)
_WINDOW = re.compile(r"(?P<metric>.+)_(?P<days>\d{1,3})d")


@dataclass(frozen=True, slots=True)
class Picture:
    """Observations of all accounts at a landmark, by input name; nan is not observed."""

    landmark: date
    observed: Mapping[str, Floats]
    signals: Mapping[int, Sequence[KnownSignal]]

    def is_known(self, account: int) -> bool:
        """Say whether anything at all was known of an account."""
        return bool(self.signals.get(account)) or any(
            not np.isnan(values[account]) for values in self.observed.values()
        )

    def evidence(self, account: int) -> Evidence:
        """Return an account's evidence, as live scoring would have had it."""
        day = last_closed_day(self.landmark)
        at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        return Evidence(
            {
                name: Observation(float(values[account]), at)
                for name, values in self.observed.items()
                if not np.isnan(values[account])
            },
            tuple(known.signal for known in self.signals.get(account, ())),
        )


class Replay:
    """Goes through history from landmark to landmark, forwards only."""

    def __init__(self, history: History, profile: Profile) -> None:
        self._history = history
        self._log = history.usage.by_day()
        self._windows = tuple(_windows(profile))
        wanted = {one.name for dimension in profile.dimensions for one in dimension.inputs}
        self._peers = {
            name: tuple(self._groups(metric))
            for name, metric in (
                ("usage_ratio", MetricKind.COUNT),
                ("active_users_ratio", MetricKind.ACTIVE_USERS),
            )
            if name in wanted and (metric is MetricKind.COUNT or history.names_users)
        }

    def at(self, landmark: date) -> Picture:
        """Return the picture on a landmark: by event time and by time of arrival."""
        moment = seen_at(landmark)
        through, cutoff = last_closed_day(landmark).toordinal(), int(moment.timestamp())
        log = self._known(through, cutoff)
        observed = {
            "days_since_activity": self._silence(log, through),
            **{name: self._ratios(groups, through, cutoff) for name, groups in self._peers.items()},
            **self._numbers(log, through),
        }
        return Picture(landmark, observed, self._signals(moment))

    def _groups(self, metric: MetricKind) -> Sequence[tuple[Ints, PeerReplay]]:
        groups = np.asarray(self._history.groups)
        found = []
        for group in sorted(set(self._history.groups)):
            mine = np.flatnonzero(groups == group)
            slots = np.full(len(groups), -1, dtype=np.int64)
            slots[mine] = np.arange(len(mine))
            of = DailyNumbers.of_users if metric is MetricKind.ACTIVE_USERS else DailyNumbers.of_events
            found.append((mine, PeerReplay(len(mine), of(self._log, slots))))
        return found

    def _ratios(
        self, groups: Sequence[tuple[Ints, PeerReplay]], through: int, cutoff: int
    ) -> Floats:
        ratios = np.full(len(self._history.accounts), np.nan)
        for mine, peers in groups:
            ratios[mine] = peers.ratios(through, cutoff)
        return ratios

    def _silence(self, log: UsageLog, through: int) -> Floats:
        last = np.full(len(self._history.accounts), -1, dtype=np.int64)
        active = log.take(log.count > 0)
        np.maximum.at(last, active.account, active.day)
        return np.where(last < 0, np.nan, through - last)

    def _known(self, through: int, cutoff: int) -> UsageLog:
        log = self._log.take(slice(0, int(np.searchsorted(self._log.day, through + 1))))
        in_time = log.known <= cutoff
        return log if in_time.all() else log.take(in_time)

    def _numbers(self, log: UsageLog, through: int) -> Mapping[str, Floats]:
        accounts, names = len(self._history.accounts), self._history.events
        started = np.bincount(log.account, minlength=accounts) > 0
        found = {}
        for window in self._windows:
            first = int(np.searchsorted(log.day, through - window.days + 1))
            inside = log.take(slice(first, len(log)))
            counted = np.array([window.metric.counts(name) for name in names] or [False])
            inside = inside.take(counted[inside.event])
            numbers = _numbers(window.metric.kind, inside, accounts)
            found[window.name] = np.where(started, numbers, np.nan)
        return found

    def _signals(self, moment: datetime) -> Mapping[int, Sequence[KnownSignal]]:
        return {
            account: [
                known
                for known in signals
                if known.known_at <= moment and moment - _REMEMBERED < known.signal.at <= moment
            ]
            for account, signals in self._history.signals.items()
        }


@dataclass(frozen=True, slots=True)
class _Window:
    """An input that is a metric over the last days, such as ``reports_28d``."""

    name: str
    metric: Metric
    days: int


def _windows(profile: Profile) -> Sequence[_Window]:
    metrics = {metric.name: metric for metric in profile.metrics}
    names = [one.name for dimension in profile.dimensions for one in dimension.inputs]
    matches = [(name, match) for name in names if (match := _WINDOW.fullmatch(name))]
    return [
        _Window(name, metrics[match["metric"]], int(match["days"]))
        for name, match in matches
        if match["metric"] in metrics and metrics[match["metric"]].kind is not MetricKind.SUM
    ]


def _numbers(kind: MetricKind, log: UsageLog, accounts: int) -> Floats:
    if kind is MetricKind.COUNT:
        return np.bincount(log.account, weights=log.count, minlength=accounts)
    what = log.user if kind is MetricKind.ACTIVE_USERS else log.event
    seen = (log.count > 0) & (what != NOBODY)
    pairs = np.unique(np.stack([log.account[seen], what[seen]]), axis=1)
    return np.bincount(pairs[0], minlength=accounts).astype(np.float64)
