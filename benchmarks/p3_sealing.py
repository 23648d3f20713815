"""P3: sealing a day: every account's day against its own normal, for ten metrics.

The day is sealed as the service does it: planned for the group, sealed in pieces, announced,
watched. Accounts with two months behind them are written beforehand.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

import uvloop

from benchmarks.checks import Ledger
from benchmarks.cpu import cpu_seconds
from benchmarks.database import Reader
from benchmarks.ground import Ground, open_ground
from benchmarks.options import Options
from shared.db.engine import create_engine
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tenure.cli.serve import spare_the_collector
from tenure.evaluation.sealing_speed import DAY, Timing, fill, profile_of, seal_one_day

_METRICS = 10
_TARGET_SECONDS, _TARGET_ACCOUNTS = 60, 100_000
_AFTER = datetime.combine(DAY + timedelta(days=1), time(4, 0), UTC)
_SEALED = "SELECT count(*) FROM health.accounts WHERE sealed_through >= $1"


def run(options: Options, ledger: Ledger) -> Mapping[str, Any]:
    """Measure P3; return its section of the report."""
    sizes = [options.accounts // 10, options.accounts] if options.accounts else []
    sizes = [size for size in sizes if size] or (
        [1_000, 10_000] if options.quick else [10_000, 30_000, 100_000]
    )
    # As the service that seals does it.
    spare_the_collector()
    found = []
    with open_ground(options) as ground:
        for size in sizes:
            options.say(f"P3 {size:,} accounts x {_METRICS} metrics")
            found.append(_measure(ground, size, ledger))
    return _section(found)


def _measure(ground: Ground, size: int, ledger: Ledger) -> dict[str, Any]:
    url = ground.migrated_database()
    with Reader(url) as reader:
        postgres = ground.pids.get("postgres", 0)
        timing, theirs = uvloop.run(_seal(url, size, postgres))
        sealed = int(reader.value(_SEALED, DAY))
    ledger.check(f"p3 {size} accounts sealed", expected=size, counted=sealed)
    return {
        "accounts": size,
        "metrics": timing.metrics,
        "seconds": round(timing.total, 3),
        "planning_seconds": round(timing.planning, 3),
        "own_cpu_seconds": round(timing.cpu, 3),
        "postgres_cpu_seconds": round(theirs, 3),
    }


async def _seal(url: str, size: int, postgres: int) -> tuple[Timing, float]:
    engine = create_engine(url, schema="health")
    database = Database(engine, service="health", clock=FixedClock(_AFTER))
    profile = profile_of(_METRICS)
    try:
        await fill(database, size, profile)
        before = cpu_seconds(postgres)
        timing = await seal_one_day(database, profile)
        return timing, cpu_seconds(postgres) - before
    finally:
        await database.close()


def _section(found: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    smallest, largest = found[0], found[-1]
    per_account = [each["seconds"] / each["accounts"] for each in (smallest, largest)]
    is_measured = largest["accounts"] >= _TARGET_ACCOUNTS
    seconds = per_account[1] * _TARGET_ACCOUNTS
    note = "measured" if is_measured else f"extrapolated from {largest['accounts']:,}"
    return {
        "sizes": list(found),
        "linearity": round(per_account[1] / per_account[0], 3),
        "targets": {
            "P3_seal_seconds": {
                "value": round(largest["seconds"] if is_measured else seconds, 2),
                "target": _TARGET_SECONDS,
                "unit": "s",
                "note": f"100,000 accounts x {_METRICS} metrics, {note}; time per account "
                f"{per_account[1] / per_account[0]:.2f} x that of {smallest['accounts']:,}",
            }
        },
    }
