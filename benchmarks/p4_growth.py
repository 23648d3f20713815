"""P4: whether counting slows down as rows pile up.

Two stacks of their own: nothing is stored in one, and in the other's Postgres as many ids, and the
daily counts of a history, as were asked for. They drain the same logs in turns, round by round, so
that both meet the same machine.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Any, NamedTuple

from benchmarks.checks import Ledger
from benchmarks.consumers import PIPELINE_ONLY
from benchmarks.database import Reader
from benchmarks.drain import Worked, draining
from benchmarks.ground import open_ground
from benchmarks.options import Options
from benchmarks.workload import Shape, make_corpus
from shared.db.migrate import role_of

_TARGET = 0.9
_DAYS = 8
_EVENTS_PER_ROW = 20
_NAMES, _USERS = 4, 8
_PREFIX = "grown"

_PARTITION = """
CREATE TABLE IF NOT EXISTS health.usage_ids_{day:%Y%m%d} PARTITION OF health.usage_ids
FOR VALUES FROM ('{day}') TO ('{after}')
"""
_OWNER = "ALTER TABLE health.usage_ids_{day:%Y%m%d} OWNER TO {role}"
# In the order of the key, so that 100,000,000 take minutes; spread over all keys, so that looking
# for one is as far as it would be. Runs of a million, as the service merges them.
_RUN = """
INSERT INTO health.usage_id_runs (day, first_seq, last_seq, buckets, ids)
VALUES ($1, 0, 0, ($2::bigint + 95) / 96, $2) RETURNING run
"""
_IDS = """
INSERT INTO health.usage_ids (day, run, bucket, keys)
SELECT $1::date, $2::bigint, bucket, string_agg(key, '' ORDER BY key) FROM (
    SELECT decode(lpad(to_hex(i * 4294967296 / $3::bigint), 8, '0')
                  || substr(md5(i::text || CAST($2::bigint AS text)), 1, 24), 'hex') AS key,
           ((i * 4294967296 / $3::bigint) * (($3::bigint + 95) / 96)) >> 32 AS bucket
    FROM generate_series(0, $3::bigint - 1) AS i) AS k
GROUP BY bucket
"""
_LOGGED = "UPDATE health.usage_id_log SET run = (SELECT max(run) FROM health.usage_id_runs)"
_IDS_IN_RUN = 1_000_000
_COUNTS = """
INSERT INTO health.{table} (account_id, day, {column}, n)
SELECT $1 || '-' || lpad(a::text, 7, '0'), current_date - d, {value}, {each}
FROM generate_series(0, $2::int - 1) AS a, generate_series(1, $3::int) AS d,
     generate_series(0, {several} - 1) AS k
ORDER BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class _Plan:
    rows: int
    shape: Shape
    rounds: int

    @property
    def history_days(self) -> int:
        """Days of daily counts that so many events make."""
        return max(1, self.rows // _EVENTS_PER_ROW // self.shape.accounts // _NAMES)


class _Round(NamedTuple):
    """One log, worked off without stored rows and with them."""

    empty: Worked
    stored: Worked

    @property
    def ratio(self) -> float:
        """Rate with stored rows, of the rate without."""
        return self.stored.rate / self.empty.rate


def run(options: Options, ledger: Ledger) -> Mapping[str, Any]:
    """Measure P4; return its section of the report."""
    shape = Shape(
        events=options.size(options.events, full=100_000, quick=40_000),
        accounts=options.size(options.accounts, full=2_000, quick=1_000),
        prefix=_PREFIX,
    )
    rows = options.size(options.rows, full=20_000_000, quick=2_000_000)
    plan = _Plan(rows, shape, options.size(options.rounds, full=3, quick=2))
    say = options.say
    with open_ground(options) as bare, open_ground(options) as grown:
        url = grown.migrated_database()
        say(f"P4 storing {rows:,} ids and {plan.history_days} days of counts")
        took = _fill(url, plan)
        say(f"P4 {rows:,} rows stored in {took:.0f} s")
        with (
            draining(bare, bare.migrated_database(), PIPELINE_ONLY) as without,
            draining(grown, url, PIPELINE_ONLY) as with_rows,
        ):
            for drain in (without, with_rows):
                _one(drain, plan, ledger, 0)
            read = with_rows.remember()
            say(f"P4 {rows:,} ids read {read:.1f} s after the first drain")
            rounds = [
                _Round(*(_one(each, plan, ledger, number) for each in (without, with_rows)))
                for number in range(1, plan.rounds + 1)
            ]
    return {**_section(plan, rounds), "seconds_to_store": took, "seconds_to_read": read}


def _one(drain: Any, plan: _Plan, ledger: Ledger, number: int) -> Worked:
    shape = plan.shape
    corpus = make_corpus(
        Shape(
            events=shape.events,
            accounts=shape.accounts,
            prefix=shape.prefix,
            seed=number,
            shuffled=number > 0,
        )
    )
    done: Worked = drain.work_off(corpus)
    ledger.check(f"p4 drain {number}", expected=corpus.distinct, counted=done.counted)
    return done


def _fill(url: str, plan: _Plan) -> float:
    """Store rows as the service would have; return how many seconds it took."""
    started = time.monotonic()
    today = datetime.now(UTC).date()
    with Reader(url) as reader:
        for number in range(_DAYS):
            day = today - timedelta(days=number)
            _make_partition(reader, day)
            _fill_day(reader, day, plan.rows // _DAYS)
        reader.execute(_LOGGED)
        history = (_PREFIX, plan.shape.accounts, plan.history_days)
        names = {"value": "'name-' || k", "several": _NAMES, "each": _EVENTS_PER_ROW}
        users = {"value": "'user-' || k", "several": _USERS, "each": _EVENTS_PER_ROW // 2}
        reader.execute(_COUNTS.format(table="usage_daily", column="name", **names), *history)
        reader.execute(_COUNTS.format(table="usage_users", column="user_id", **users), *history)
        took = time.monotonic() - started
        # What a week of counting leaves to vacuum and checkpoints, day by day, is done here and
        # not while the next run is measured.
        for table in ("usage_ids", "usage_daily", "usage_users"):
            reader.execute(f"VACUUM (ANALYZE) health.{table}")
        reader.execute("CHECKPOINT")
    return took


def _make_partition(reader: Reader, day: date) -> None:
    reader.execute(_PARTITION.format(day=day, after=day + timedelta(days=1)))
    reader.execute(_OWNER.format(day=day, role=role_of("health")))


def _fill_day(reader: Reader, day: date, ids: int) -> None:
    for start in range(0, ids, _IDS_IN_RUN):
        some = min(_IDS_IN_RUN, ids - start)
        reader.execute(_IDS, day, reader.value(_RUN, day, some), some)


def _section(plan: _Plan, rounds: list[_Round]) -> dict[str, Any]:
    empty, stored = ([each[which] for each in rounds] for which in (0, 1))
    return {
        "stored_ids": plan.rows,
        "stored_days_of_counts": plan.history_days,
        "accounts": plan.shape.accounts,
        "events_per_run": plan.shape.events,
        "core_us_per_event": {
            "empty": [each.core_us for each in empty],
            "stored": [each.core_us for each in stored],
        },
        "ratios": {
            "P4_growth": {
                "value": round(median(each.ratio for each in rounds), 4),
                "ours": round(median(each.rate for each in stored), 1),
                "baseline": round(median(each.rate for each in empty), 1),
                "unit": "events/s",
                "rounds": [round(each.ratio, 4) for each in rounds],
                "note": f"{plan.rows:,} stored rows against none",
                "target": _TARGET,
            }
        },
    }
