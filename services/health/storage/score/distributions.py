"""Values of inputs over the accounts of a segment, kept as quantiles."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from services.health.domain.score.percentile import STEPS, Distribution
from shared.db.transaction import Row, Transaction

Key = tuple[str, str, int]
"""Segment, input, days of the window."""


class InputValue(NamedTuple):
    """The latest value of an input of an account."""

    account_id: str
    input: str
    segment: str
    value: float
    seen_at: datetime


async def note_values(tx: Transaction, values: Iterable[InputValue]) -> None:
    """Remember the latest values of accounts; nothing is written where nothing changed."""
    rows = sorted(values)
    await tx.execute(
        "INSERT INTO input_values AS v (account_id, input, segment, value, seen_at) "
        "SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:inputs AS text[]), "
        "CAST(:segments AS text[]), CAST(:vals AS float8[]), CAST(:seen AS timestamptz[])) "
        "ON CONFLICT (account_id, input) DO UPDATE SET segment = EXCLUDED.segment, "
        "value = EXCLUDED.value, seen_at = EXCLUDED.seen_at WHERE (v.segment, v.value, v.seen_at) "
        "IS DISTINCT FROM (EXCLUDED.segment, EXCLUDED.value, EXCLUDED.seen_at)",
        ids=[row.account_id for row in rows],
        inputs=[row.input for row in rows],
        segments=[row.segment for row in rows],
        vals=[row.value for row in rows],
        seen=[row.seen_at for row in rows],
    )


async def in_force(
    tx: Transaction, segments: Sequence[str], at: datetime
) -> Mapping[Key, Distribution]:
    """Return the newest distributions of segments that were computed by a moment."""
    rows = await tx.fetch_all(
        "SELECT DISTINCT ON (segment, input, window_days) * FROM segment_distributions "
        "WHERE segment = ANY(CAST(:segments AS text[])) AND computed_at <= :at "
        "ORDER BY segment, input, window_days, computed_at DESC",
        segments=list(segments),
        at=at,
    )
    return {(row["segment"], row["input"], row["window_days"]): _distribution(row) for row in rows}


async def last_computed(tx: Transaction) -> datetime | None:
    """Return when distributions were computed last, and let one replica at a time ask."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('segment_distributions'))")
    found: datetime | None = await tx.fetch_value(
        "SELECT max(computed_at) FROM segment_distributions"
    )
    return found


async def compute(tx: Transaction, input_name: str, window: timedelta) -> None:
    """Compute an input's distribution in every segment, from accounts seen within the window."""
    await tx.execute(
        "INSERT INTO segment_distributions (segment, input, window_days, computed_at, quantiles, "
        "accounts) SELECT segment, input, :days, :now, "
        "percentile_disc(CAST(:shares AS float8[])) WITHIN GROUP (ORDER BY value), count(*) "
        "FROM input_values WHERE input = :input AND seen_at > :since GROUP BY segment, input "
        "ON CONFLICT DO NOTHING",
        days=window.days,
        now=tx.now,
        shares=[step / STEPS for step in range(STEPS + 1)],
        input=input_name,
        since=tx.now - window,
    )


async def forget(tx: Transaction, before: datetime) -> None:
    """Delete distributions older than a moment, but for the newest of each."""
    await tx.execute(
        "DELETE FROM segment_distributions AS d WHERE computed_at < :before AND EXISTS "
        "(SELECT 1 FROM segment_distributions AS n WHERE n.segment = d.segment "
        "AND n.input = d.input AND n.window_days = d.window_days "
        "AND n.computed_at > d.computed_at)",
        before=before,
    )


def _distribution(row: Row) -> Distribution:
    return Distribution(
        segment=row["segment"],
        input=row["input"],
        window_days=row["window_days"],
        quantiles=tuple(row["quantiles"]),
        accounts=row["accounts"],
        computed_at=row["computed_at"],
    )
