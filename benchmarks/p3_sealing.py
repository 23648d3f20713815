"""P3: sealing a day: every account's day against its own normal, for all metrics.

The job `seal_days` of health runs as it does in the service, on a clock that this benchmark moves
forward one day at a time. Usage of each size is written by Postgres beforehand. The first days
fill the detector's memory; the median of the last ones is reported.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from statistics import median
from typing import Any

from benchmarks.checks import Ledger
from benchmarks.cpu import cpu_seconds
from benchmarks.database import Reader
from benchmarks.ground import Ground, open_ground
from benchmarks.options import Options
from services.health.jobs import JOBS
from shared.db.engine import create_engine
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock

_DAYS, _MEASURED = 8, 3
_TARGET_SECONDS, _TARGET_ACCOUNTS, _TARGET_METRICS = 60, 100_000, 10
_AFTER_MIDNIGHT = clock_time(4, 0, tzinfo=UTC)
_MOST_PASSES = 10_000
_ACCOUNTS = """
INSERT INTO health.accounts
    (account_id, segment, time_zone, first_seen_at, last_active_at, first_day)
SELECT 'seal-' || lpad(a::text, 7, '0'), (ARRAY['enterprise', 'mid', 'smb'])[1 + a % 3], 'UTC',
       $2::timestamptz, $2::timestamptz + make_interval(days => $3::int), $2::date
FROM generate_series(0, $1::int - 1) AS a
"""
_DAILY = """
INSERT INTO health.usage_daily (account_id, day, name, n)
SELECT 'seal-' || lpad(a::text, 7, '0'), $2::date + d, 'name-' || k,
       20 + (a * 7 + d * 13 + k * 5) % 30
FROM generate_series(0, $1::int - 1) AS a, generate_series(0, $3::int) AS d,
     generate_series(0, 3) AS k ORDER BY 1, 2, 3
"""
_USERS = """
INSERT INTO health.usage_users (account_id, day, user_id, n)
SELECT 'seal-' || lpad(a::text, 7, '0'), $2::date + d, 'user-' || k, 5
FROM generate_series(0, $1::int - 1) AS a, generate_series(0, $3::int) AS d,
     generate_series(0, 3 + a % 3) AS k ORDER BY 1, 2, 3
"""
_SEALED = "SELECT count(*) FROM health.accounts WHERE sealed_through >= $1"
_METRICS = "SELECT count(DISTINCT metric) FROM health.detector_days"


def run(options: Options, ledger: Ledger) -> Mapping[str, Any]:
    """Measure P3; return its section of the report."""
    sizes = [options.accounts // 10, options.accounts] if options.accounts else []
    sizes = [size for size in sizes if size] or ([300, 1_000] if options.quick else [1_000, 5_000])
    found = []
    with open_ground(options) as ground:
        for size in sizes:
            options.say(f"P3 {size:,} accounts")
            found.append(_measure(ground, size, ledger))
    return _section(found)


def _measure(ground: Ground, size: int, ledger: Ledger) -> dict[str, Any]:
    url = ground.migrated_database()
    first = datetime.now(UTC).date() - timedelta(days=_DAYS + 2)
    start = datetime.combine(first, clock_time(0, 0), UTC)
    with Reader(url) as reader:
        reader.execute(_ACCOUNTS, size, start, _DAYS)
        for sql in (_DAILY, _USERS):
            reader.execute(sql, size, first, _DAYS)
        reader.execute("ANALYZE")
        days = [first + timedelta(days=number) for number in range(_DAYS)]
        times = asyncio.run(_seal(url, days, ground.pids.get("postgres", 0)))
        sealed = int(reader.value(_SEALED, days[-1]))
        metrics = int(reader.value(_METRICS))
    ledger.check(f"p3 {size} accounts sealed", expected=size, counted=sealed)
    last = times[-_MEASURED:]
    return {
        "accounts": size,
        "metrics": metrics,
        "seconds": round(median(each["seconds"] for each in last), 3),
        "own_cpu_seconds": round(median(each["own_cpu"] for each in last), 3),
        "postgres_cpu_seconds": round(median(each["postgres_cpu"] for each in last), 3),
        "all_days_seconds": [round(each["seconds"], 3) for each in times],
    }


async def _seal(url: str, days: Sequence[date], postgres: int) -> list[dict[str, float]]:
    clock = FixedClock(datetime.combine(days[0], clock_time(0, 0), UTC))
    database = Database(create_engine(url, schema="health"), service="health", clock=clock)
    job = next(job for job in JOBS if job.name == "seal_days")
    times = []
    try:
        for day in days:
            clock.set(datetime.combine(day + timedelta(days=1), _AFTER_MIDNIGHT))
            began, cpu, theirs = time.monotonic(), time.process_time(), cpu_seconds(postgres)
            for _ in range(_MOST_PASSES):
                if not await job.run(database):
                    break
            times.append(
                {
                    "seconds": time.monotonic() - began,
                    "own_cpu": time.process_time() - cpu,
                    "postgres_cpu": cpu_seconds(postgres) - theirs,
                }
            )
    finally:
        await database.close()
    return times


def _section(found: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    smallest, largest = found[0], found[-1]
    units = largest["accounts"] * max(1, largest["metrics"])
    wanted = _TARGET_ACCOUNTS * _TARGET_METRICS
    is_measured = units >= wanted
    seconds = largest["seconds"] * wanted / units
    per_account = [each["seconds"] / each["accounts"] for each in (smallest, largest)]
    note = "measured" if is_measured else "extrapolated"
    return {
        "sizes": list(found),
        "linearity": round(per_account[1] / per_account[0], 3),
        "targets": {
            "P3_seal_seconds": {
                "value": round(largest["seconds"] if is_measured else seconds, 1),
                "target": _TARGET_SECONDS,
                "unit": "s",
                "note": f"100,000 accounts x 10 metrics, {note} from {largest['accounts']:,} "
                f"x {largest['metrics']}; time per account "
                f"{per_account[1] / per_account[0]:.2f} x that of {smallest['accounts']:,}",
            }
        },
    }
