"""The course of an account's score, as charts show it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.health.domain.score.history import (
    USUAL,
    Bucket,
    Kept,
    Resolution,
    buckets,
    check_span,
)
from services.health.domain.score.moments import MomentUnclear, parse_moment
from services.health.storage.score import score_history
from services.health.storage.score.score_history import Turn
from services.health.usecases.accounts import known_account
from shared.db.transaction import Transaction
from shared.kernel.days import zone_of

MOST_TURNS = 500


@dataclass(frozen=True, slots=True)
class Span:
    """What is asked for: from and to as people say them, and how fine."""

    start: str | None
    end: str | None
    resolution: Resolution


@dataclass(frozen=True, slots=True)
class Chart:
    """A history: its points and the changes of band and judge in it, oldest first."""

    time_zone: str
    begins_at: datetime
    ends_at: datetime
    points: Sequence[Bucket]
    turns: Sequence[Turn]


async def chart(
    tx: Transaction, account_id: str, span: Span, *, after: datetime | None, limit: int
) -> Chart:
    """Return an account's history; ``after`` and ``limit`` page through raw scores.

    Raises `AccountUnknown`, `MomentUnclear`, `MomentInFuture`, `HistoryBackwards` and
    `HistoryTooLong`.
    """
    row = await known_account(tx, account_id)
    zone = zone_of(row["time_zone"])

    def moment(said: str | None, usual: datetime) -> datetime:
        found = usual if said is None else parse_moment(said, tx.now, zone)
        if found is None:
            raise MomentUnclear("last-change is for explanations; write a date or a time here")
        return found

    # A score of this very moment belongs to a history that goes on until now.
    end = moment(span.end, tx.now + timedelta(microseconds=1))
    start = moment(span.start, end - USUAL[span.resolution])
    check_span(start, end, span.resolution)
    turns = await score_history.turns(tx, account_id, (start, end), MOST_TURNS)
    if span.resolution is Resolution.RAW:
        kept = await score_history.raw(tx, account_id, (start, end), after=after, limit=limit)
        points = [_as_bucket(one) for one in kept]
    else:
        kept = await score_history.hourly(tx, account_id, (start, end))
        points = buckets(kept, (start, end), span.resolution, zone)
    return Chart(row["time_zone"], start, end, points, turns)


def _as_bucket(kept: Kept) -> Bucket:
    return Bucket(kept.at, kept, is_carried=False)
