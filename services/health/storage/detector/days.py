"""Daily counts of accounts, and what the detector said of the newest judged day."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
from sqlalchemy import RowMapping

from services.health.domain.detector.decisions import Unwatched
from services.health.domain.detector.gpr import RATIO_FROM_DAY
from services.health.domain.detector.state import Floats
from services.health.domain.profile.metrics import ACTIVE_USERS, EVENTS, Metric, MetricKind
from services.health.storage.detector import detector, monitoring
from services.health.storage.detector.detector import Kept
from shared.db.transaction import Transaction

METRICS = (EVENTS, ACTIVE_USERS)
Factors = Mapping[tuple[str, str], float]
"""Peer factors by account and metric."""

_USERS = "count(*)"
_DAILY = """
SELECT array_agg(account), array_agg(day){columns}
FROM (
    SELECT i.n - 1 AS account, t.day - CAST(:first AS date) AS day{counts}
    FROM unnest(CAST(:account_ids AS text[])) WITH ORDINALITY AS i(account_id, n)
    JOIN {table} AS t USING (account_id)
    WHERE t.day BETWEEN :first AND :last GROUP BY 1, 2
) AS daily
"""


class JudgedDay(NamedTuple):
    """What the detector said about one account, metric and day.

    ``is_ready``: whether there was a normal to compare with; until then ``ratio`` is 1.
    ``unwatched``: the days after it that are sealed and not judged, while monitoring is suspended.
    """

    account_id: str
    metric: str
    day: date
    y: float
    mu: float
    ratio: float
    p_down: float
    peers: float
    is_ready: bool
    unwatched: Unwatched | None = None


async def daily_counts(
    tx: Transaction, metrics: Sequence[Metric], account_ids: Sequence[str], span: tuple[date, date]
) -> Mapping[str, Floats]:
    """Return accounts x days for each metric, for an inclusive range of days."""
    events = [metric for metric in metrics if metric.kind is MetricKind.COUNT]
    users = [metric for metric in metrics if metric.kind is MetricKind.DISTINCT_USERS]
    sums = [_sum_of(metric, n) for n, metric in enumerate(events)]
    filters = {f"names{n}": list(metric.events) for n, metric in enumerate(events) if metric.events}
    found = {}
    if events:
        table = await _table(tx, "usage_daily", sums, (account_ids, span, filters))
        found.update({metric.name: table[n] for n, metric in enumerate(events)})
    if users:
        table = await _table(tx, "usage_users", [_USERS], (account_ids, span, {}))
        found.update({metric.name: table[0] for metric in users})
    return found


def _sum_of(metric: Metric, number: int) -> str:
    only = f" FILTER (WHERE t.name = ANY(CAST(:names{number} AS text[])))"
    return f"coalesce(sum(t.n){only if metric.events else ''}, 0)"


async def _table(
    tx: Transaction,
    table: str,
    sums: Sequence[str],
    wanted: tuple[Sequence[str], tuple[date, date], Mapping[str, list[str]]],
) -> Floats:
    """Return sums x accounts x days; no row is zero."""
    account_ids, (first, last), filters = wanted
    columns = "".join(f", array_agg(c{n})" for n in range(len(sums)))
    counts = "".join(f", CAST({one} AS float8) AS c{n}" for n, one in enumerate(sums))
    # Columns, not rows: of a hundred thousand accounts, each row costs more than its numbers.
    ((accounts, on, *values),) = await tx.fetch_tuples(
        _DAILY.format(columns=columns, counts=counts, table=table),
        account_ids=list(account_ids),
        first=first,
        last=last,
        **filters,
    )
    found = np.zeros((len(sums), len(account_ids), (last - first).days + 1))
    if accounts:
        found[:, accounts, on] = values
    return found


async def active_users(
    tx: Transaction, account_ids: Sequence[str], days: tuple[date, date]
) -> Mapping[str, int]:
    """Return the distinct users of each account over an inclusive range of days."""
    rows = await tx.fetch_all(
        "SELECT account_id, count(DISTINCT user_id) AS users FROM usage_users "
        "WHERE account_id = ANY(CAST(:account_ids AS text[])) AND day BETWEEN :first AND :last "
        "GROUP BY account_id",
        account_ids=list(account_ids),
        first=days[0],
        last=days[1],
    )
    return {row["account_id"]: row["users"] for row in rows}


async def latest_judged(tx: Transaction, account_id: str) -> Mapping[str, JudgedDay]:
    """Return what was said about the newest judged day in events and in active users."""
    return (await latest_judged_of(tx, [account_id])).get(account_id, {})


async def latest_judged_of(
    tx: Transaction, account_ids: Sequence[str]
) -> Mapping[str, Mapping[str, JudgedDay]]:
    """Return what was said about the newest judged day of accounts, by account and metric."""
    kept = await detector.kept(tx, account_ids)
    off = await monitoring.unwatched_of(tx, kept)
    newest = {key: off[key].last_judged if key in off else one.day for key, one in kept.items()}
    factors = await _factors(tx, newest)
    return {
        key: _judged(key, one, (newest[key], off.get(key)), factors) for key, one in kept.items()
    }


def _judged(
    account_id: str, kept: Kept, newest: tuple[date, Unwatched | None], factors: Factors
) -> Mapping[str, JudgedDay]:
    day, off = newest
    records = {metric: kept.record(metric) for metric in METRICS}
    return {
        metric: JudgedDay(
            account_id=account_id,
            metric=metric,
            day=day,
            y=float(record.seen[0]),
            mu=float(record.expected[0]),
            ratio=float(record.ratio[0]),
            p_down=float(record.probability[0]),
            peers=factors.get((account_id, metric), 1.0),
            is_ready=bool(record.state.age[0] > RATIO_FROM_DAY),
            unwatched=off,
        )
        for metric, record in records.items()
        if record is not None
    }


async def _factors(tx: Transaction, days: Mapping[str, date]) -> Factors:
    rows = await tx.fetch_all(
        "SELECT a.account_id, p.metric, p.g FROM unnest(CAST(:account_ids AS text[]), "
        "CAST(:days AS date[])) AS e(account_id, day) JOIN accounts AS a USING (account_id) "
        "JOIN peer_days AS p ON (p.segment, p.time_zone, p.day) = (a.segment, a.time_zone, e.day)",
        account_ids=list(days),
        days=list(days.values()),
    )
    return {(row["account_id"], row["metric"]): row["g"] for row in rows}


async def by_name(tx: Transaction, account_id: str, last_days: int) -> Sequence[RowMapping]:
    """Return the event counts of an account by day and event name."""
    return await tx.fetch_all(
        "SELECT day, name, n FROM usage_daily WHERE account_id = :account_id "
        "AND day > :since ORDER BY day, name",
        account_id=account_id,
        since=tx.now.date() - timedelta(days=last_days),
    )
