"""What was known of every account on a landmark, and nothing that came later."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from services.health.domain.backtest.history import (
    Floats,
    History,
    Ints,
    KnownSignal,
    UsageLog,
    last_closed_day,
    seen_at,
)
from services.health.domain.backtest.peers import DailyNumbers, PeerReplay
from services.health.domain.backtest.windows import counts_people, measure_all, windowed
from services.health.domain.profile.profile import Profile
from services.health.domain.score.score import Evidence, Observation

Numbers = Callable[[UsageLog, Ints], DailyNumbers]
_REMEMBERED = timedelta(days=730)


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
        self._people = history.usage_by_user.by_day()
        self._metrics = windowed(profile, names_users=len(self._people) > 0)
        wanted = {one.name for dimension in profile.dimensions for one in dimension.inputs}
        self._peers = {
            name: tuple(self._groups(numbers, log))
            for name, numbers, log in (
                ("usage_ratio", DailyNumbers.of_events, self._log),
                ("active_users_ratio", DailyNumbers.of_users, self._people),
            )
            if name in wanted and len(log)
        }

    def at(self, landmark: date) -> Picture:
        """Return the picture on a landmark: by event time and by time of arrival."""
        moment = seen_at(landmark)
        through, cutoff = last_closed_day(landmark).toordinal(), int(moment.timestamp())
        log = _known(self._log, through, cutoff)
        people = _known(self._people, through, cutoff)
        observed = {
            "days_since_activity": self._silence(log, through),
            **{name: self._ratios(groups, through, cutoff) for name, groups in self._peers.items()},
            **self._numbers(log, people, through),
        }
        return Picture(landmark, observed, self._signals(moment))

    def _groups(self, numbers: Numbers, log: UsageLog) -> Iterator[tuple[Ints, PeerReplay]]:
        groups = np.asarray(self._history.groups)
        for group in sorted(set(self._history.groups)):
            mine = np.flatnonzero(groups == group)
            slots = np.full(len(groups), -1, dtype=np.int64)
            slots[mine] = np.arange(len(mine))
            yield mine, PeerReplay(len(mine), numbers(log, slots))

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

    def _numbers(self, log: UsageLog, people: UsageLog, through: int) -> Mapping[str, Floats]:
        first = np.full(len(self._history.accounts), through + 1, dtype=np.int64)
        np.minimum.at(first, log.account, log.day)
        events = self._history.events
        return {
            metric.name: measure_all(
                metric, events, people if counts_people(metric) else log, through, first
            )
            for metric in self._metrics
        }

    def _signals(self, moment: datetime) -> Mapping[int, Sequence[KnownSignal]]:
        return {
            account: [
                known
                for known in signals
                if known.known_at <= moment and moment - _REMEMBERED < known.signal.at <= moment
            ]
            for account, signals in self._history.signals.items()
        }


def _known(log: UsageLog, through: int, cutoff: int) -> UsageLog:
    past = log.take(slice(0, int(np.searchsorted(log.day, through + 1))))
    in_time = past.known <= cutoff
    return past if in_time.all() else past.take(in_time)
