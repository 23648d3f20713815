"""Metrics: the usage of windows of days, the values that came of it, and their history."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import RowMapping

from services.health.domain.metric.window import Tally
from shared.db.transaction import Transaction

Ends = Sequence[tuple[str, date]]
"""Accounts, and the last day of a window of theirs."""

_WINDOWS = "FROM unnest(CAST(:ids AS text[]), CAST(:days AS date[])) AS e(account_id, day) "
_INSIDE = (
    "AS u ON u.account_id = e.account_id "
    "AND u.day > e.day - CAST(:window AS int) AND u.day <= e.day "
)


class Known(NamedTuple):
    """What is needed of an account to measure it; ``measured_through`` is its newest value's day.

    ``measured_first`` is where its history began then: earlier usage may have been sent since.
    """

    account_id: str
    time_zone: str
    first_day: date
    last_active_at: datetime
    sealed_through: date | None
    dirty_from: date | None
    measured_through: date | None
    measured_first: date | None


class Value(NamedTuple):
    """A value as it is kept."""

    account_id: str
    metric: str
    day: date
    value: float
    sample: int
    days_known: int
    window_days: int
    baseline: str
    profile: str
    first_day: date


async def known(tx: Transaction, account_ids: Sequence[str]) -> Sequence[Known]:
    """Return the accounts that have usage."""
    rows = await tx.fetch_all(
        "SELECT a.account_id, a.time_zone, a.first_day, a.last_active_at, a.sealed_through, "
        "a.dirty_from, m.measured_through, m.measured_first FROM accounts AS a "
        "LEFT JOIN LATERAL (SELECT max(day) AS measured_through, min(first_day) AS "
        "measured_first FROM metric_latest AS l WHERE l.account_id = a.account_id) AS m ON true "
        "WHERE a.account_id = ANY(CAST(:account_ids AS text[])) AND a.first_day IS NOT NULL "
        "ORDER BY a.account_id",
        account_ids=list(account_ids),
    )
    return [Known(**row) for row in rows]


async def tallies(
    tx: Transaction, ends: Ends, window_days: int
) -> Mapping[tuple[str, date], Mapping[str, Tally]]:
    """Return how often each event was seen in each window, and when last."""
    rows = await tx.fetch_all(
        "SELECT e.account_id, e.day, u.name, CAST(sum(u.n) AS bigint) AS n, "
        f"max(u.day) AS last_day {_WINDOWS} JOIN usage_daily {_INSIDE} "
        "GROUP BY e.account_id, e.day, u.name",
        **_bound(ends, window_days),
    )
    found: dict[tuple[str, date], dict[str, Tally]] = {}
    for row in rows:
        windows = found.setdefault((row["account_id"], row["day"]), {})
        windows[row["name"]] = Tally(row["n"], row["last_day"])
    return found


async def users(
    tx: Transaction, ends: Ends, window_days: int
) -> Mapping[tuple[str, date], tuple[int, int]]:
    """Return the distinct users of each window, and the sum of the distinct users of its days."""
    rows = await tx.fetch_all(
        "SELECT e.account_id, e.day, count(DISTINCT u.user_id) AS users, count(*) AS user_days "
        f"{_WINDOWS} JOIN usage_users {_INSIDE} GROUP BY e.account_id, e.day",
        **_bound(ends, window_days),
    )
    return {(row["account_id"], row["day"]): (row["users"], row["user_days"]) for row in rows}


async def sums(
    tx: Transaction, ends: Ends, window_days: int
) -> Mapping[tuple[str, date], Mapping[tuple[str, str], tuple[float, int]]]:
    """Return the totals of properties in each window, and how many events had a number."""
    rows = await tx.fetch_all(
        "SELECT e.account_id, e.day, u.name, u.property, sum(u.total) AS total, "
        f"CAST(sum(u.n) AS bigint) AS n {_WINDOWS} JOIN usage_sums {_INSIDE} "
        "GROUP BY e.account_id, e.day, u.name, u.property",
        **_bound(ends, window_days),
    )
    found: dict[tuple[str, date], dict[tuple[str, str], tuple[float, int]]] = {}
    for row in rows:
        windows = found.setdefault((row["account_id"], row["day"]), {})
        windows[row["name"], row["property"]] = (row["total"], row["n"])
    return found


async def save(tx: Transaction, values: Iterable[Value]) -> None:
    """Keep values in the history; what is unchanged is left alone."""
    rows = sorted(values)
    if not rows:
        return
    await tx.execute(
        "INSERT INTO metric_values AS t (account_id, metric, day, value, sample, days_known, "
        "window_days, computed_at) "
        "SELECT e.*, CAST(:now AS timestamptz) FROM unnest(CAST(:ids AS text[]), "
        "CAST(:metrics AS text[]), CAST(:days AS date[]), CAST(:values AS float8[]), "
        "CAST(:samples AS bigint[]), CAST(:known AS int[]), CAST(:windows AS int[])) AS e "
        "ON CONFLICT (account_id, metric, day) DO UPDATE SET value = EXCLUDED.value, "
        "sample = EXCLUDED.sample, days_known = EXCLUDED.days_known, "
        "window_days = EXCLUDED.window_days, computed_at = EXCLUDED.computed_at "
        "WHERE (t.value, t.sample, t.days_known, t.window_days) IS DISTINCT FROM "
        "(EXCLUDED.value, EXCLUDED.sample, EXCLUDED.days_known, EXCLUDED.window_days)",
        now=tx.now,
        **_columns(rows),
    )


async def save_latest(tx: Transaction, values: Iterable[Value]) -> None:
    """Keep the newest value of each account and metric."""
    rows = sorted(values)
    if not rows:
        return
    await tx.execute(
        "INSERT INTO metric_latest AS t (account_id, metric, day, value, sample, days_known, "
        "window_days, baseline, profile, first_day, computed_at) "
        "SELECT e.*, CAST(:now AS timestamptz) FROM unnest(CAST(:ids AS text[]), "
        "CAST(:metrics AS text[]), CAST(:days AS date[]), CAST(:values AS float8[]), "
        "CAST(:samples AS bigint[]), CAST(:known AS int[]), CAST(:windows AS int[]), "
        "CAST(:baselines AS text[]), CAST(:profiles AS text[]), CAST(:firsts AS date[])) AS e "
        "ON CONFLICT (account_id, metric) DO UPDATE SET day = EXCLUDED.day, "
        "value = EXCLUDED.value, sample = EXCLUDED.sample, days_known = EXCLUDED.days_known, "
        "window_days = EXCLUDED.window_days, baseline = EXCLUDED.baseline, "
        "profile = EXCLUDED.profile, first_day = EXCLUDED.first_day, "
        "computed_at = EXCLUDED.computed_at",
        now=tx.now,
        baselines=[row.baseline for row in rows],
        profiles=[row.profile for row in rows],
        firsts=[row.first_day for row in rows],
        **_columns(rows),
    )


async def forget_others(
    tx: Transaction, account_ids: Sequence[str], metrics: Sequence[tuple[str, str]]
) -> None:
    """Forget the newest values that are not among those measured: no profile asks for them now.

    Their history stays.
    """
    await tx.execute(
        "DELETE FROM metric_latest AS l WHERE l.account_id = ANY(CAST(:account_ids AS text[])) "
        "AND NOT EXISTS (SELECT FROM unnest(CAST(:ids AS text[]), CAST(:metrics AS text[])) "
        "AS e(account_id, metric) WHERE e.account_id = l.account_id AND e.metric = l.metric)",
        account_ids=list(account_ids),
        ids=[one for one, _ in metrics],
        metrics=[one for _, one in metrics],
    )


async def forget_before(tx: Transaction, account_ids: Sequence[str], day: date) -> None:
    """Forget the history of accounts before a day."""
    await tx.execute(
        "DELETE FROM metric_values WHERE account_id = ANY(CAST(:account_ids AS text[])) "
        "AND day < :day",
        account_ids=list(account_ids),
        day=day,
    )


async def latest(tx: Transaction, account_id: str) -> Sequence[RowMapping]:
    """Return the newest value of each metric of an account, by name."""
    return await tx.fetch_all(
        "SELECT * FROM metric_latest WHERE account_id = :account_id ORDER BY metric",
        account_id=account_id,
    )


async def history(
    tx: Transaction, account_id: str, metric: str, *, before: date | None, limit: int
) -> Sequence[RowMapping]:
    """Return the values of a metric of an account, newest day first."""
    return await tx.fetch_all(
        "SELECT day, value, sample, days_known, window_days, computed_at FROM metric_values "
        "WHERE account_id = :account_id AND metric = :metric "
        "AND (CAST(:before AS date) IS NULL OR day < :before) ORDER BY day DESC LIMIT :limit",
        account_id=account_id,
        metric=metric,
        before=before,
        limit=limit,
    )


async def summarise(tx: Transaction) -> None:
    """Count what is covered: one pass over the newest values, so that lists need none."""
    await tx.execute(
        "INSERT INTO metric_summaries AS s (metric, accounts, newest_day, computed_at, counted_at) "
        "SELECT metric, count(*), max(day), max(computed_at), CAST(:now AS timestamptz) "
        "FROM metric_latest GROUP BY metric ORDER BY metric "
        "ON CONFLICT (metric) DO UPDATE SET accounts = EXCLUDED.accounts, "
        "newest_day = EXCLUDED.newest_day, computed_at = EXCLUDED.computed_at, "
        "counted_at = EXCLUDED.counted_at",
        now=tx.now,
    )


async def summaries(tx: Transaction) -> Mapping[str, RowMapping]:
    """Return what is covered, by metric, as it was counted last."""
    rows = await tx.fetch_all("SELECT * FROM metric_summaries")
    return {row["metric"]: row for row in rows}


async def note_events(tx: Transaction, last_days: Mapping[str, date]) -> None:
    """Note which events are in use and on which day last; most calls write nothing."""
    rows = sorted(last_days.items())
    await tx.execute(
        "INSERT INTO event_names AS t (name, last_day) SELECT e.name, e.last_day "
        "FROM unnest(CAST(:names AS text[]), CAST(:days AS date[])) AS e(name, last_day) "
        "WHERE NOT EXISTS (SELECT FROM event_names AS k WHERE k.name = e.name "
        "AND k.last_day >= e.last_day) "
        "ON CONFLICT (name) DO UPDATE SET last_day = greatest(t.last_day, EXCLUDED.last_day)",
        names=[name for name, _ in rows],
        days=[day for _, day in rows],
    )


async def seen_events(tx: Transaction, names: Sequence[str]) -> Mapping[str, date]:
    """Return the event names that were ever seen, each with its newest day."""
    rows = await tx.fetch_all(
        "SELECT name, last_day FROM event_names WHERE name = ANY(CAST(:names AS text[]))",
        names=list(names),
    )
    return {row["name"]: row["last_day"] for row in rows}


async def newest_event_day(tx: Transaction) -> date | None:
    """Return the newest day on which any event was seen."""
    day: date | None = await tx.fetch_value("SELECT max(last_day) FROM event_names")
    return day


def _bound(ends: Ends, window_days: int) -> dict[str, object]:
    ids = [account_id for account_id, _ in ends]
    return {"ids": ids, "days": [day for _, day in ends], "window": window_days}


def _columns(rows: Sequence[Value]) -> dict[str, object]:
    return {
        "ids": [row.account_id for row in rows],
        "metrics": [row.metric for row in rows],
        "days": [row.day for row in rows],
        "values": [row.value for row in rows],
        "samples": [row.sample for row in rows],
        "known": [row.days_known for row in rows],
        "windows": [row.window_days for row in rows],
    }
