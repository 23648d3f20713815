"""Measure accounts: metrics as their profiles define them, kept by day, read by the score."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from services.health.domain.metric.window import Measured, Tally, Window, measure
from services.health.domain.profile.metrics import Metric, MetricKind
from services.health.domain.profile.profile import Profile
from services.health.domain.profile.standing import Standing
from services.health.domain.score.score import Observation
from services.health.storage.account import standing
from services.health.storage.metric import metrics, sums
from services.health.storage.metric.metrics import Known, Value
from services.health.storage.metric.sums import Pair
from shared.db.transaction import Transaction
from shared.kernel.days import day_ends, local_day, zone_of

HISTORY_DAYS = 90
"""How far back the history of a metric is filled: a quarter."""

KEPT_DAYS = 400
"""How long values are kept: a year, and the month before it to compare with."""

_MEASURED_AGAIN = 8
"""Events may come this many days late and still change the days behind them."""

_OF_USERS = frozenset(
    {MetricKind.DISTINCT_USERS, MetricKind.STICKINESS, MetricKind.SEAT_UTILISATION}
)

Found = Mapping[str, Mapping[str, Observation]]
Since = Mapping[Pair, date]


@dataclass(frozen=True, slots=True)
class Task:
    """Which metrics of an account to measure, and for which days."""

    account: Known
    metrics: Sequence[Metric]
    days: Sequence[date]
    profile: str


async def observations(tx: Transaction, profiles: Mapping[str, Profile]) -> Found:
    """Measure accounts by the profiles that judge them; return what the score listens to.

    Values are kept by day. What rests on too few days is kept and shown, and not listened to.
    """
    known = await metrics.known(tx, sorted(profiles))
    tasks = [
        Task(one, profiles[one.account_id].metrics, _days_due(one), profiles[one.account_id].label)
        for one in known
    ]
    found = await measured(tx, tasks)
    await metrics.save(tx, (value_of(task, metric, one) for task, metric, one in found))
    newest = [part for part in found if part[2].day == newest_day(part[0].account)]
    await metrics.save_latest(tx, (value_of(*part) for part in newest))
    await metrics.forget_others(
        tx,
        [one.account_id for one in known],
        [(task.account.account_id, metric.name) for task, metric, _ in newest],
    )
    grown = [one.account_id for one in known if one.measured_through != newest_day(one)]
    if grown:
        await metrics.forget_before(tx, grown, tx.now.date() - timedelta(days=KEPT_DAYS))
    return _observed(tx, newest)


async def measured(
    tx: Transaction, tasks: Sequence[Task], sums_since: Since | None = None
) -> Sequence[tuple[Task, Metric, Measured]]:
    """Measure; one query per kind of count and length of window for all the tasks together.

    ``sums_since`` is given by who has just made sums of the past.
    """
    where = await standing.of_accounts(
        tx, [task.account.account_id for task in tasks], tx.now.date()
    )
    about = _About(where, await sums.since(tx) if sums_since is None else sums_since)
    windows = await _windows(tx, tasks, about)
    found = []
    for task in tasks:
        for day in task.days:
            for metric in task.metrics:
                window = windows[task.account.account_id, day, metric.window_days]
                one = measure(metric, window)
                if one is not None:
                    found.append((task, metric, one))
    return found


def newest_day(account: Known) -> date:
    """Return the newest day an account is known to have lived: of its usage, or sealed."""
    last = local_day(account.last_active_at, zone_of(account.time_zone))
    return max(account.sealed_through or last, last, account.first_day)


def history_days(account: Known) -> Sequence[date]:
    """Return the days for which a new metric is filled, oldest first."""
    last = newest_day(account)
    return _range(max(account.first_day, last - timedelta(days=HISTORY_DAYS - 1)), last)


def value_of(task: Task, metric: Metric, one: Measured) -> Value:
    """Return a measured number as it is kept."""
    return Value(
        account_id=task.account.account_id,
        metric=metric.name,
        day=one.day,
        value=one.value,
        sample=one.sample,
        days_known=one.days_known,
        window_days=metric.window_days,
        baseline=one.baseline,
        profile=task.profile,
        first_day=task.account.first_day,
    )


def _days_due(account: Known) -> Sequence[date]:
    """Return the days to measure: the newest; with a new day, also those that came late.

    An account that was never measured, or whose past was sent since, gets its whole history.
    """
    last = newest_day(account)
    through = account.measured_through
    if through is None or account.measured_first != account.first_day:
        return history_days(account)
    late = last if last == through else min(through, last - timedelta(days=_MEASURED_AGAIN - 1))
    since = max(min(late, account.dirty_from or last), history_days(account)[0])
    return _range(since, last)


class _About(NamedTuple):
    """What is known beside usage."""

    where: Mapping[str, Standing]
    sums_since: Since


async def _windows(
    tx: Transaction, tasks: Sequence[Task], about: _About
) -> Mapping[tuple[str, date, int], Window]:
    found: dict[tuple[str, date, int], Window] = {}
    for length in sorted({metric.window_days for task in tasks for metric in task.metrics}):
        concerned = [t for t in tasks if any(m.window_days == length for m in t.metrics)]
        kinds = {m.kind for t in concerned for m in t.metrics if m.window_days == length}
        for (account_id, day), window in (
            await _of_length(tx, concerned, length, kinds, about)
        ).items():
            found[account_id, day, length] = window
    return found


async def _of_length(
    tx: Transaction,
    tasks: Sequence[Task],
    length: int,
    kinds: set[MetricKind],
    about: _About,
) -> Mapping[tuple[str, date], Window]:
    ends = [(task.account.account_id, day) for task in tasks for day in task.days]
    events = await metrics.tallies(tx, ends, length)
    await metrics.note_events(tx, _last_days(events.values()))
    users = await metrics.users(tx, ends, length) if kinds & _OF_USERS else {}
    added = await metrics.sums(tx, ends, length) if MetricKind.SUM in kinds else {}
    first = {task.account.account_id: task.account.first_day for task in tasks}
    found = {}
    for account_id, day in ends:
        n, user_days = users.get((account_id, day), (0, 0))
        found[account_id, day] = Window(
            day=day,
            days_known=min(length, (day - first[account_id]).days + 1),
            events=events.get((account_id, day), {}),
            users=n,
            user_days=user_days,
            sums=added.get((account_id, day), {}),
            sums_since=about.sums_since,
            seats=about.where.get(account_id, Standing()).seats,
        )
    return found


def _last_days(windows: Iterable[Mapping[str, Tally]]) -> Mapping[str, date]:
    found: dict[str, date] = {}
    for window in windows:
        for name, tally in window.items():
            found[name] = max(tally.last_day, found.get(name, tally.last_day))
    return found


def _observed(tx: Transaction, newest: Iterable[tuple[Task, Metric, Measured]]) -> Found:
    found: dict[str, dict[str, Observation]] = {}
    for task, metric, one in newest:
        if one.is_enough(metric):
            ends = day_ends(one.day, zone_of(task.account.time_zone))
            seen = Observation(one.value, min(tx.now, ends), one.baseline)
            found.setdefault(task.account.account_id, {})[metric.name] = seen
    return found


def _range(first: date, last: date) -> Sequence[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
