"""How long does sealing one day take? A synthetic group in a real database, sealed for real.

``fill`` makes the accounts with warm states and a day of usage; ``seal_one_day`` seals it, and
says where the time went. Both run in the calling process, so that a benchmark can bind it to a
core. The day is sealed as the product does it: planned, sealed in pieces, announced, watched.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np

from services.health.domain.detector.monitoring import Monitoring
from services.health.domain.detector.peers import PeerDay
from services.health.domain.detector.recent import RECENT_DAYS
from services.health.domain.detector.record import Record
from services.health.domain.detector.replay import Exit, Stretch, replay
from services.health.domain.detector.state import SegmentState
from services.health.domain.profile.metrics import Metric, MetricKind, watched
from services.health.domain.profile.profile import Profile
from services.health.domain.usage.closing import StreamTime
from services.health.jobs.sealing import bring_up
from services.health.settings import EVENT_GRACE, WALL_GRACE
from services.health.storage.account.accounts import PeerGroup
from services.health.storage.detector import detector, peers
from services.health.usecases.detector.planning import Sealing, plan_days
from services.health.usecases.files.files import load_profile
from shared.db.transaction import Database, Transaction

GROUP = PeerGroup("speed", "UTC")
DAY = date(2026, 3, 2)
_WARM_DAYS = 60
_PATTERNS = 1000
_AT_ONCE = 5000
_USERS = """
INSERT INTO usage_users (account_id, day, user_id, n)
SELECT a, CAST(:day AS date) - d, 'u' || u, 1 FROM unnest(CAST(:ids AS text[])) AS a,
       generate_series(0, 27) AS d, generate_series(1, 2) AS u
"""
_EVENTS = """
INSERT INTO usage_daily (account_id, day, name, n)
SELECT a, :day, 'event_' || e, 1 + (random() * 20)::int FROM unnest(CAST(:ids AS text[])) AS a,
       generate_series(0, 7) AS e
"""
_ACCOUNTS = """
INSERT INTO accounts (account_id, segment, time_zone, first_seen_at, last_active_at, first_day,
                      sealed_through)
SELECT a, :segment, :time_zone, :seen, :seen, :first, :through
FROM unnest(CAST(:ids AS text[])) AS a
"""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one sealed day: planning the group, sealing its pieces; CPU of this process."""

    metrics: int
    planning: float
    sealing: float
    cpu: float

    @property
    def total(self) -> float:
        """All of it, by the clock."""
        return self.planning + self.sealing


def profile_of(metrics: int) -> Profile:
    """Return the default profile with this many watched metrics, two of them the built-in ones."""
    added = tuple(
        Metric(f"metric_{n}", MetricKind.COUNT, (f"event_{n}",), watch=True)
        for n in range(metrics - 2)
    )
    return replace(load_profile(), metrics=added)


async def fill(database: Database, number: int, profile: Profile) -> None:
    """Make a group of accounts, sealed through the day before `DAY`, with usage on `DAY`."""
    names = [metric.name for metric in watched(profile.metrics)]
    warm = _warm_rows(names)
    async with database.transaction() as tx:
        await peers.save(tx, GROUP, [_habit(name) for name in names])
    for start in range(0, number, _AT_ONCE):
        ids = [f"speed-{n:07d}" for n in range(start, min(number, start + _AT_ONCE))]
        async with database.transaction() as tx:
            await _fill_some(tx, ids, names, warm)
    async with database.transaction() as tx:
        await tx.execute("ANALYZE")


async def seal_one_day(database: Database, profile: Profile) -> Timing:
    """Seal `DAY` for the accounts that `fill` made."""
    now = datetime.combine(DAY + timedelta(days=1), datetime.min.time(), UTC) + 2 * WALL_GRACE
    work = Sealing(GROUP, profile, StreamTime(now, now, EVENT_GRACE, WALL_GRACE), now)
    began, cpu = time.perf_counter(), time.process_time()
    async with database.transaction() as tx:
        await plan_days(tx, work)
    planned = time.perf_counter()
    await bring_up(database, work)
    sealed = time.perf_counter()
    return Timing(
        metrics=len(watched(profile.metrics)),
        planning=planned - began,
        sealing=sealed - planned,
        cpu=time.process_time() - cpu,
    )


def _habit(name: str) -> peers.Planned:
    yesterday = DAY - timedelta(days=1)
    return peers.Planned(name, [PeerDay(yesterday)], SegmentState())


def _warm_rows(names: Sequence[str]) -> detector.Rows:
    """Return rows of accounts that were judged for two months."""
    random = np.random.default_rng(1)
    level = random.gamma(1.0, 20.0, (_PATTERNS, 1))
    first = DAY - timedelta(days=_WARM_DAYS)
    days = [PeerDay(first + timedelta(days=n)) for n in range(_WARM_DAYS)]
    every = np.ones((_PATTERNS, _WARM_DAYS), dtype=bool)
    stretch = Stretch(first, every, ~every)
    records = {}
    for name in names:
        counts = random.poisson(level, every.shape).astype(np.float64)
        fresh = Record.fresh(_PATTERNS)
        records[name] = replay(fresh, counts, days, stretch, (Exit(0.5, 0.85), None))
    recent = random.poisson(level, (_PATTERNS, RECENT_DAYS)).astype(np.float64)
    return detector.Rows(records, recent)


async def _fill_some(
    tx: Transaction, ids: Sequence[str], names: Sequence[str], warm: detector.Rows
) -> None:
    yesterday, first = DAY - timedelta(days=1), DAY - timedelta(days=_WARM_DAYS)
    await tx.execute(
        _ACCOUNTS,
        ids=list(ids),
        seen=datetime.combine(first, datetime.min.time(), UTC),
        first=first,
        through=yesterday,
        **GROUP._asdict(),
    )
    chosen = np.arange(len(ids)) % _PATTERNS
    records = {name: record.take(chosen) for name, record in warm.records.items()}
    keys = [detector.Key(account_id, first, yesterday, Monitoring.MONITORED) for account_id in ids]
    await detector.save(tx, keys, names, detector.Rows(records, warm.recent[chosen]))
    await tx.execute(_EVENTS, ids=list(ids), day=DAY)
    await tx.execute(_USERS, ids=list(ids), day=DAY)
