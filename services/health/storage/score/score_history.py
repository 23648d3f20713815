"""The history of scores: reading it for charts, and thinning it out."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from services.health.domain.score.history import Kept
from services.health.storage.score.scores import kept_of
from shared.db.transaction import Transaction

_KEPT = "at, score, band, coverage, profile, p_loss, model_version"
_THINNED_AT_ONCE = 1_000


class Turn(NamedTuple):
    """A moment at which the band, or who judges, changed from one to another."""

    at: datetime
    kind: str
    before: str
    after: str


async def raw(
    tx: Transaction,
    account_id: str,
    span: tuple[datetime, datetime],
    *,
    after: datetime | None,
    limit: int,
) -> Sequence[Kept]:
    """Return the scores kept in a span, oldest first, after a moment."""
    rows = await tx.fetch_all(
        f"SELECT {_KEPT} FROM scores WHERE account_id = :account_id AND at >= :start AND at < :end "
        "AND (CAST(:after AS timestamptz) IS NULL OR at > :after) ORDER BY at LIMIT :limit",
        account_id=account_id,
        start=span[0],
        end=span[1],
        after=after,
        limit=limit,
    )
    return [kept_of(row) for row in rows]


async def hourly(
    tx: Transaction, account_id: str, span: tuple[datetime, datetime]
) -> Sequence[Kept]:
    """Return the last score kept in each hour of a span, and the last one before it."""
    rows = await tx.fetch_all(
        f"(SELECT {_KEPT} FROM scores WHERE account_id = :account_id AND at < :start "
        "ORDER BY at DESC LIMIT 1) UNION ALL "
        f"(SELECT DISTINCT ON (date_trunc('hour', at, 'UTC')) {_KEPT} FROM scores "
        "WHERE account_id = :account_id AND at >= :start AND at < :end "
        "ORDER BY date_trunc('hour', at, 'UTC'), at DESC)",
        account_id=account_id,
        start=span[0],
        end=span[1],
    )
    return sorted((kept_of(row) for row in rows), key=lambda kept: kept.at)


async def turns(
    tx: Transaction, account_id: str, span: tuple[datetime, datetime], limit: int
) -> Sequence[Turn]:
    """Return the changes of band, profile and model in a span, the newest ``limit``, oldest first.

    Who judges is named by the profile's label and the model's version.
    """
    rows = await tx.fetch_all(
        "SELECT at, band, judge, band_before, judge_before FROM (SELECT at, band, judge, "
        "lag(band) OVER w AS band_before, lag(judge) OVER w AS judge_before FROM (SELECT at, band, "
        "profile || coalesce(' with model v' || model_version, '') AS judge FROM scores "
        "WHERE account_id = :account_id AND at < :end AND at >= coalesce((SELECT max(at) FROM "
        "scores WHERE account_id = :account_id AND at < :start), :start)) AS s "
        "WINDOW w AS (ORDER BY at)) AS t WHERE band <> band_before OR judge <> judge_before "
        "ORDER BY at DESC LIMIT :limit",
        account_id=account_id,
        start=span[0],
        end=span[1],
        limit=limit,
    )
    return [
        Turn(row["at"], kind, row[f"{kind}_before"], row[kind])
        for row in reversed(rows)
        for kind in ("band", "judge")
        if row[kind] != row[f"{kind}_before"]
    ]


async def thin(tx: Transaction, before: datetime) -> bool:
    """Thin out scores older than a moment to the last of each day; return whether more are left.

    One UTC day and `_THINNED_AT_ONCE` accounts at a time. Changes of band, of profile and model,
    and the score that is compared with next, all stay.
    """
    oldest: datetime | None = await tx.fetch_value("SELECT min(at) FROM scores WHERE NOT is_kept")
    day = None if oldest is None else oldest.astimezone(UTC).date()
    if day is None or day + timedelta(days=1) > before.astimezone(UTC).date():
        return False
    ids = [
        row["account_id"]
        for row in await tx.fetch_all(
            "SELECT DISTINCT account_id FROM scores WHERE NOT is_kept AND at >= :first "
            "AND at < :last LIMIT :limit",
            limit=_THINNED_AT_ONCE,
            **_day(day),
        )
    ]
    await tx.execute(
        "DELETE FROM scores AS s WHERE NOT is_kept AND at >= :first AND at < :last "
        "AND account_id = ANY(CAST(:ids AS text[])) AND EXISTS (SELECT 1 FROM scores AS later "
        "WHERE later.account_id = s.account_id AND later.at > s.at AND later.at < :last "
        "AND later.profile = s.profile "
        "AND later.model_version IS NOT DISTINCT FROM s.model_version) "
        "AND NOT EXISTS (SELECT 1 FROM current_scores AS c "
        "WHERE c.account_id = s.account_id AND c.kept_at = s.at)",
        ids=ids,
        **_day(day),
    )
    await tx.execute(
        "UPDATE scores SET is_kept = true WHERE NOT is_kept AND at >= :first AND at < :last "
        "AND account_id = ANY(CAST(:ids AS text[]))",
        ids=ids,
        **_day(day),
    )
    return True


def _day(day: date) -> dict[str, datetime]:
    first = datetime.combine(day, time.min, tzinfo=UTC)
    return {"first": first, "last": first + timedelta(days=1)}
