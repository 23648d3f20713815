"""Real daily counts of people, pooled into accounts: drops planted in them, budgets kept on them.

The file has a row per person and day: ``acct``, ``day``, ``n``. People are shuffled into pools of
a wanted volume, which stand for accounts. A planted drop keeps each event with a chance, so the
counts stay as rough as they are in life.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

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
VOLUMES = (12.0, 36.0, 100.0)
_TURNS = 5
_POOLS_FOR_BUDGET = (40, 12, 4)
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Counts:
    """People x days of counts; the first day is a Monday."""

    first: date
    table: Floats


@dataclass(frozen=True, slots=True)
class Found:
    """How many drops of 70 % were found in real counts at one volume, by own calibration."""

    a_week: float
    drops: int
    account_years: float
    found_14: float
    found_28: float
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


def find_drops(counts: Counts, a_week: float, seed: int) -> Found:
    """Plant a drop in every pooled account, a fifth of a group at a time, and look for it."""
    random = np.random.default_rng(seed)
    windows = _windows(counts, a_week, random)
    if not windows:
        return Found(a_week, 0, 0.0, np.nan, np.nan, np.nan)
    steady = _joined(counts.first, windows)
    scores = judge(steady).probability
    threshold = threshold_for(scores, 1.0)
    delays: list[float] = []
    for turn in range(_TURNS):
        dropped = _drop_some(steady, windows, turn, random)
        alarms = alarms_of(judge(dropped).probability, threshold)
        delays += [days_to_find(alarms[drop.account], drop) for drop in dropped.drops]
    found = np.array(delays)
    years = len(steady.counts) * (WINDOW - FROM_DAY) / 365.25
    return Found(
        a_week=a_week,
        drops=len(delays),
        account_years=years,
        found_14=float((found <= 14).mean()),
        found_28=float((found <= 28).mean()),
        median_days=float(np.median(found)),
    )


def _windows(counts: Counts, a_week: float, random: np.random.Generator) -> list[Floats]:
    """Cut the years into windows, and shuffle each window's people into pools of a volume."""
    found = []
    for start in range(0, counts.table.shape[1] - WINDOW + 1, WINDOW - WINDOW % 7):
        table = counts.table[:, start : start + WINDOW]
        volume = table.mean(axis=1) * 7
        pools, pool = [], np.zeros(WINDOW)
        for person in random.permutation(np.flatnonzero(volume)).tolist():
            pool = pool + table[person]
            if pool.mean() * 7 >= a_week:
                pools.append(pool)
                pool = np.zeros(WINDOW)
        if pools:
            found.append(np.array(pools))
    return found


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
