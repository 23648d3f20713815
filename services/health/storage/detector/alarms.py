"""The alert budget: what thresholds would have raised, those in force, and segment alarms."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np

from services.health.domain.detector.budget import Tally, Threshold
from services.health.storage.account.accounts import PeerGroup
from shared.db.transaction import Row, Transaction
from shared.kernel.ids import new_id

_ADD = """
INSERT INTO alarm_tallies (segment, time_zone, metric, band, month, account_days, openings)
SELECT :segment, :time_zone, metric, band, month, account_days, openings
FROM jsonb_to_recordset(CAST(:tallies AS jsonb))
     AS t(metric text, band int, month date, account_days float8, openings float8[])
"""
_COMPACT = """
WITH old AS (DELETE FROM alarm_tallies RETURNING *),
days AS (
    SELECT segment, time_zone, metric, band, month, sum(account_days) AS account_days
    FROM old GROUP BY segment, time_zone, metric, band, month
),
sums AS (
    SELECT segment, time_zone, metric, band, month, n, sum(x) AS x
    FROM old, unnest(openings) WITH ORDINALITY AS o(x, n)
    GROUP BY segment, time_zone, metric, band, month, n
)
INSERT INTO alarm_tallies (segment, time_zone, metric, band, month, account_days, openings)
SELECT segment, time_zone, metric, band, month, account_days, array_agg(x ORDER BY n)
FROM days JOIN sums USING (segment, time_zone, metric, band, month)
WHERE month >= :since
GROUP BY segment, time_zone, metric, band, month, account_days
"""


class Counted(NamedTuple):
    """What thresholds would have raised in a segment, for a metric, in a band and month."""

    segment: str
    metric: str
    band: int
    month: date
    tally: Tally


class InForce(NamedTuple):
    """A band's threshold, its version, and since when it holds."""

    version: int
    calibrated_at: datetime
    threshold: Threshold


async def add_tallies(
    tx: Transaction,
    group: PeerGroup,
    by_metric: Mapping[str, Mapping[tuple[int, date], Tally]],
) -> None:
    """Count what each threshold would have raised on newly sealed days, by metric, band and month.

    Rows are appended: pieces that are sealed at the same time do not wait for each other.
    """
    found = [
        {
            "metric": metric,
            "band": band,
            "month": month.isoformat(),
            "account_days": tally.account_days,
            "openings": tally.openings.tolist(),
        }
        for metric, tallies in by_metric.items()
        for (band, month), tally in sorted(tallies.items())
    ]
    if found:
        await tx.execute(_ADD, tallies=found, **group._asdict())


async def compact_tallies(tx: Transaction, since: date) -> None:
    """Add up the tallies of each group, metric, band and month; forget those before a month."""
    await tx.execute("LOCK TABLE alarm_tallies IN SHARE ROW EXCLUSIVE MODE")
    await tx.execute(_COMPACT, since=since)


async def tallies(tx: Transaction, since: date) -> Sequence[Counted]:
    """Return the tallies of all groups since a month."""
    rows = await tx.fetch_all(
        "SELECT segment, metric, band, month, account_days, openings FROM alarm_tallies "
        "WHERE month >= :since ORDER BY metric, band, month, segment, time_zone",
        since=since,
    )
    return [
        Counted(
            row["segment"],
            row["metric"],
            row["band"],
            row["month"],
            Tally(row["account_days"], np.array(row["openings"])),
        )
        for row in rows
    ]


async def save_thresholds(
    tx: Transaction, metric: str, chosen: Sequence[Threshold], profile: str
) -> None:
    """Append thresholds of a profile, by its label: each is a new version, the old ones stay."""
    await tx.execute_many(
        "INSERT INTO alarm_thresholds (metric, band, p_star, alarms, account_months, months, "
        "budget, is_calibrated, profile, calibrated_at) VALUES (:metric, :band, :p_star, "
        ":alarms, :account_months, :months, :budget, :is_calibrated, :profile, :now)",
        [
            {
                "metric": metric,
                "profile": profile,
                "now": tx.now,
                **{name: getattr(one, name) for name in Threshold.__slots__},
            }
            for one in chosen
        ],
    )


async def in_force(tx: Transaction, profile: str) -> Mapping[tuple[str, int], InForce]:
    """Return the newest threshold of each metric and band, chosen for any version of a profile."""
    rows = await tx.fetch_all(
        "SELECT DISTINCT ON (metric, band) * FROM alarm_thresholds "
        "WHERE split_part(profile, '@', 1) = :profile ORDER BY metric, band, id DESC",
        profile=profile,
    )
    return {
        (row["metric"], row["band"]): InForce(
            row["id"],
            row["calibrated_at"],
            Threshold(**{name: row[name] for name in Threshold.__slots__}),
        )
        for row in rows
    }


async def open_segment_alarm(tx: Transaction, group: PeerGroup) -> Row | None:
    """Return the open alarm of a peer group."""
    return await tx.fetch_one(
        "SELECT * FROM segment_alarms WHERE segment = :segment AND time_zone = :time_zone "
        "AND recovered_on IS NULL",
        **group._asdict(),
    )


async def raise_segment_alarm(
    tx: Transaction, group: PeerGroup, day: date, level: float, accounts: int
) -> UUID:
    """Keep that a whole peer group is down."""
    alarm_id = new_id()
    await tx.execute(
        "INSERT INTO segment_alarms (id, segment, time_zone, opened_on, level, accounts) "
        "VALUES (:id, :segment, :time_zone, :day, :level, :accounts)",
        id=alarm_id,
        day=day,
        level=level,
        accounts=accounts,
        **group._asdict(),
    )
    return alarm_id


async def end_segment_alarm(tx: Transaction, alarm_id: UUID, day: date) -> None:
    """Keep that a peer group is back."""
    await tx.execute(
        "UPDATE segment_alarms SET recovered_on = :day WHERE id = :id", id=alarm_id, day=day
    )


async def list_segment_alarms(tx: Transaction, limit: int) -> Sequence[Row]:
    """Return the alarms of whole segments, newest first."""
    return await tx.fetch_all(
        "SELECT * FROM segment_alarms ORDER BY opened_on DESC, id DESC LIMIT :limit", limit=limit
    )


async def seen_last(tx: Transaction, since: datetime) -> Mapping[str, int]:
    """Return how many drop risks were opened since a moment, by reason."""
    rows = await tx.fetch_all(
        "SELECT reason, count(*) AS n FROM risks WHERE opened_at >= :since "
        "AND status <> 'suspected' AND reason LIKE '%\\_drop' GROUP BY reason ORDER BY reason",
        since=since,
    )
    return {row["reason"]: row["n"] for row in rows}
