"""Real daily counts of people, pooled into accounts: drops planted in them, budgets kept on them.

The file has a row per person and day: ``acct``, ``day``, ``n``. People are shuffled into pools of
a wanted volume, which stand for accounts. A planted drop keeps each event with a chance, so the
counts stay as rough as they are in life.

Somebody who leaves is a real drop of their pool, and would be counted as a false alarm. So drops
are planted in pools of people who were active in every quarter of the window; pools of everybody
show what leaving does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.health.domain.detector.budget import (
    AlarmLedger,
    at_threshold,
    band_name,
    calibrate,
)
from services.health.domain.detector.peers import PeerDay
from services.health.domain.detector.record import Record
from services.health.domain.detector.replay import Exit, Stretch, plan, replay
from services.health.domain.detector.state import DetectorState, Floats
from services.health.domain.profile.profile import DropRule
from tenure.evaluation.comparison import FROM_DAY, alarms_of, days_to_find, threshold_for
from tenure.evaluation.generator import Drop, Usage
from tenure.evaluation.methods import judge
from tenure.replaying.files import UnreadableFile, read_rows

WINDOW = 400
SHARE = 0.7
RATES = (1.0, 2.0, 4.0)
"""False alarms per account-year at which drops are looked for."""

_TURNS = 5
_QUARTERS = 4
_RESAMPLED = 1000
_POOLS_FOR_BUDGET = (40, 12, 4)
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Counts:
    """People x days of counts; the first day is a Monday."""

    first: date
    table: Floats


@dataclass(frozen=True, slots=True)
class Pooling:
    """Who is pooled: people active in every quarter of a window or everybody, to what volume."""

    a_week: float
    only_active: bool = True


POOLINGS = (Pooling(12.0), Pooling(36.0), Pooling(100.0), Pooling(36.0, only_active=False))


@dataclass(frozen=True, slots=True)
class Found:
    """How many drops of 70 % were found in real counts, by own calibration to a rate of alarms.

    `low_28` and `high_28` are the 95 % interval of `found_28`: windows of time are drawn again,
    as the drops of one window share people. Seeds shuffle the same people anew: `account_years`
    counts each of their years once a seed.
    """

    pooling: Pooling
    alarms_a_year: float
    p_star: float
    drops: int
    windows: int
    account_years: float
    found_14: float
    found_28: float
    low_28: float
    high_28: float
    median_days: float


@dataclass(frozen=True, slots=True)
class Kept:
    """A band's budget, and the alarms on later days that were not used to choose p*."""

    band: str
    budget: float
    p_star: float
    is_calibrated: bool
    chosen_on: float
    chosen_rate: float
    realised_on: float
    realised_rate: float
    fixed_rate: float


def read_counts(path: Path) -> Counts:
    """Read a file. Raises `UnreadableFile` when it lacks a column or has no rows."""
    rows = list(read_rows(path).read())
    if not rows or not {"acct", "day", "n"} <= set(rows[0]):
        raise UnreadableFile(f"{path.name}: give every row the columns acct, day and n")
    days = [_day(row["day"]) for row in rows]
    people = {acct: n for n, acct in enumerate(sorted({str(row["acct"]) for row in rows}))}
    first = min(days) - min(days).weekday() * _ONE_DAY
    table = np.zeros((len(people), (max(days) - first).days + 1))
    for row, day in zip(rows, days, strict=True):
        table[people[str(row["acct"])], (day - first).days] += float(row["n"])
    return Counts(first, table)


def _day(value: object) -> date:
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])


def find_drops(counts: Counts, pooling: Pooling, seeds: Sequence[int]) -> list[Found]:
    """Plant a drop in every pooled account, a fifth of a group at a time, and look for it.

    Each seed has a threshold for each of the `RATES`. Empty when no pool reaches the volume.
    """
    tries = [one for one in (_try(counts, pooling, seed) for seed in seeds) if one]
    if not tries:
        return []
    return [_found(pooling, rate, tries) for rate in RATES]


@dataclass(frozen=True, slots=True)
class _Try:
    """One seed: by rate the threshold and the days to find each drop; the window of each drop."""

    thresholds: Mapping[float, float]
    delays: Mapping[float, list[float]]
    windows: list[int]


def _try(counts: Counts, pooling: Pooling, seed: int) -> _Try | None:
    random = np.random.default_rng(seed)
    windows = _windows(counts, pooling, random)
    if not windows:
        return None
    steady = _joined(counts.first, [pools for _, pools in windows])
    scores = judge(steady).probability
    thresholds = {rate: threshold_for(scores, rate) for rate in RATES}
    found = _Try(thresholds, {rate: [] for rate in RATES}, [])
    for turn in range(_TURNS):
        dropped = _drop_some(steady, [pools for _, pools in windows], turn, random)
        probability = judge(dropped).probability
        for rate, threshold in thresholds.items():
            alarms = alarms_of(probability, threshold)
            found.delays[rate] += [days_to_find(alarms[d.account], d) for d in dropped.drops]
        found.windows.extend(windows[steady.groups[d.account]][0] for d in dropped.drops)
    return found


def _found(pooling: Pooling, rate: float, tries: Sequence[_Try]) -> Found:
    days = np.array([day for one in tries for day in one.delays[rate]])
    window = np.array([start for one in tries for start in one.windows])
    low, high = _interval(days <= 28, window)
    return Found(
        pooling=pooling,
        alarms_a_year=rate,
        p_star=float(np.mean([one.thresholds[rate] for one in tries])),
        drops=len(days),
        windows=len(np.unique(window)),
        account_years=len(days) * (WINDOW - FROM_DAY) / 365.25,
        found_14=float((days <= 14).mean()),
        found_28=float((days <= 28).mean()),
        low_28=low,
        high_28=high,
        median_days=float(np.median(days)),
    )


def _interval(is_found: NDArray[np.bool_], window: NDArray[np.int_]) -> tuple[float, float]:
    """Return the 95 % interval of a share, drawing whole windows again."""
    random = np.random.default_rng(0)
    names = np.unique(window)
    found = np.array([is_found[window == name].sum() for name in names])
    drops = np.array([(window == name).sum() for name in names])
    drawn = random.integers(0, len(names), (_RESAMPLED, len(names)))
    low, high = np.quantile(found[drawn].sum(axis=1) / drops[drawn].sum(axis=1), (0.025, 0.975))
    return float(low), float(high)


def _windows(
    counts: Counts, pooling: Pooling, random: np.random.Generator
) -> list[tuple[int, Floats]]:
    """Cut the years into windows, and shuffle each window's people into pools of a volume.

    Returns the first day and the pools of every window that has any.
    """
    found = []
    for start in range(0, counts.table.shape[1] - WINDOW + 1, WINDOW - WINDOW % 7):
        table = counts.table[:, start : start + WINDOW]
        pools, pool = [], np.zeros(WINDOW)
        for person in random.permutation(_people(table, pooling)).tolist():
            pool = pool + table[person]
            if pool.mean() * 7 >= pooling.a_week:
                pools.append(pool)
                pool = np.zeros(WINDOW)
        if pools:
            found.append((start, np.array(pools)))
    return found


def _people(table: Floats, pooling: Pooling) -> NDArray[np.intp]:
    by_quarter = table.reshape(len(table), _QUARTERS, -1).sum(axis=2) > 0
    return np.flatnonzero(by_quarter.all(axis=1) if pooling.only_active else by_quarter.any(axis=1))


def _joined(first: date, windows: Sequence[Floats]) -> Usage:
    groups = tuple(n for n, window in enumerate(windows) for _ in window)
    return Usage(first, np.vstack(windows), groups, (), (0, 1))


def _drop_some(
    steady: Usage, windows: Sequence[Floats], turn: int, random: np.random.Generator
) -> Usage:
    counts, drops, start = steady.counts.copy(), [], 0
    for window in windows:
        for account in range(start + turn, start + len(window), _TURNS):
            day = int(random.integers(180, WINDOW - 42))
            after = counts[account, day:].astype(np.int64)
            counts[account, day:] = random.binomial(after, 1 - SHARE)
            drops.append(Drop(account, day, SHARE, 0))
        start += len(window)
    return Usage(steady.first, counts, steady.groups, tuple(drops), steady.christmas)


def keep_budget(counts: Counts, rule: DropRule, seed: int) -> list[Kept]:
    """Choose p* of each band on the first half of the years; count alarms in the second.

    The days are judged by the code that seals them in the product.
    """
    random = np.random.default_rng(seed)
    ledger = AlarmLedger()
    for pools in _POOLS_FOR_BUDGET:
        pool_of = random.integers(0, pools, len(counts.table))
        table = np.array([counts.table[pool_of == n].sum(axis=0) for n in range(pools)])
        _seal_all(Counts(counts.first, table), rule, ledger)
    half = counts.first + counts.table.shape[1] // 2 * _ONE_DAY
    bands = sorted({band for band, _ in ledger.tallies})
    return [_kept(ledger, band, rule, half) for band in bands]


def _seal_all(counts: Counts, rule: DropRule, ledger: AlarmLedger) -> None:
    days = [counts.first + n * _ONE_DAY for n in range(counts.table.shape[1])]
    # An account begins with its first event.
    begun = np.cumsum(counts.table, axis=1) > 0
    state = DetectorState.fresh(len(counts.table))
    planned, _ = plan(state, counts.table, begun, PeerDay(days[0]), days)
    stretch = Stretch(counts.first, begun, np.zeros_like(begun))
    rules = (Exit(rule.exit_probability, rule.exit_ratio), ledger)
    replay(Record.fresh(len(counts.table)), counts.table, planned, stretch, rules)


def _kept(ledger: AlarmLedger, band: int, rule: DropRule, half: date) -> Kept:
    by_month = {month: tally for (b, month), tally in ledger.tallies.items() if b == band}
    early = {month: tally for month, tally in by_month.items() if month < half}
    late = {month: tally for month, tally in by_month.items() if month >= half}
    budget, start = rule.alerts_per_100_a_month, rule.alarm_probability
    chosen = calibrate(band, early, budget, start)
    then, fixed = at_threshold(band, late, chosen.p_star), at_threshold(band, late, start)
    return Kept(
        band=band_name(band),
        budget=budget,
        p_star=chosen.p_star,
        is_calibrated=chosen.is_calibrated,
        chosen_on=chosen.account_months,
        chosen_rate=chosen.alarms_per_100_a_month,
        realised_on=then.account_months,
        realised_rate=then.alarms_per_100_a_month,
        fixed_rate=fixed.alarms_per_100_a_month,
    )
