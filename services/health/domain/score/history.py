"""The course of a score over time, for charts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

from services.health.domain.score.score import Band
from shared.kernel.days import day_begins, local_day
from shared.kernel.errors import Invalid

_HOUR = timedelta(hours=1)
_POINTS_WORTH_KEEPING = 0.5
_COVERAGE_WORTH_KEEPING = 0.02
_KEPT_DAILY = timedelta(days=1)


class Resolution(StrEnum):
    """How fine a history is: every kept score, or the last one of each hour, day or week."""

    RAW = "raw"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


LONGEST = {
    Resolution.HOUR: timedelta(days=31),
    Resolution.DAY: timedelta(days=800),
    Resolution.WEEK: timedelta(days=3660),
}
"""How much of a history one answer holds; raw scores come in pages."""

USUAL = {
    Resolution.RAW: timedelta(days=7),
    Resolution.HOUR: timedelta(days=7),
    Resolution.DAY: timedelta(days=90),
    Resolution.WEEK: timedelta(days=364),
}
"""How far back an answer goes when nobody says."""


class HistoryBackwards(Invalid):
    """The history would end before it begins."""


class HistoryTooLong(Invalid):
    """One answer does not hold a history this long."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A score as history keeps it."""

    at: datetime
    score: float
    band: Band
    coverage: float
    profile: str
    p_loss: float | None = None
    model_version: int | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """The last score of an hour, a day or a week; carried forward where there was none in it."""

    begins_at: datetime
    kept: Kept
    is_carried: bool


def is_worth_keeping(before: Kept | None, after: Kept) -> bool:
    """Tell whether a score belongs into the history beside the last one that was kept.

    It does when the band, the profile or the model changed, or half a point of score or 2 % of
    coverage, and once a day: otherwise an account in constant use would write its whole
    explanation all day.
    """
    if before is None:
        return True
    is_judged_alike = (before.band, before.profile, before.model_version) == (
        after.band,
        after.profile,
        after.model_version,
    )
    return (
        not is_judged_alike
        or abs(after.score - before.score) >= _POINTS_WORTH_KEEPING
        or abs(after.coverage - before.coverage) >= _COVERAGE_WORTH_KEEPING
        or after.at - before.at >= _KEPT_DAILY
    )


def check_span(start: datetime, end: datetime, resolution: Resolution) -> None:
    """Refuse a history that is backwards or too long."""
    if start >= end:
        raise HistoryBackwards("let `from` be earlier than `to`")
    longest = LONGEST.get(resolution)
    if longest is not None and end - start > longest:
        raise HistoryTooLong(
            f"by the {resolution.value} one answer holds {longest.days} days; ask for less, or "
            "for a coarser resolution (day, week)",
            longest_days=longest.days,
        )


def buckets(
    kept: Sequence[Kept], span: tuple[datetime, datetime], resolution: Resolution, zone: tzinfo
) -> list[Bucket]:
    """Return the buckets of a span, oldest first, from the scores kept in and before it.

    ``kept`` is oldest first. Days and weeks are the account's own; nothing is made up before the
    first score.
    """
    found: list[Bucket] = []
    position = 0
    for begins, ends in _edges(span, resolution, zone):
        while position < len(kept) and kept[position].at < ends:
            position += 1
        if position:
            last = kept[position - 1]
            found.append(Bucket(begins, last, is_carried=last.at < begins))
    return found


def _edges(
    span: tuple[datetime, datetime], resolution: Resolution, zone: tzinfo
) -> Iterator[tuple[datetime, datetime]]:
    start, end = span
    begins = _begin(start, resolution, zone)
    while begins < end:
        ends = _next(begins, resolution, zone)
        yield begins, ends
        begins = ends


def _begin(moment: datetime, resolution: Resolution, zone: tzinfo) -> datetime:
    if resolution is Resolution.HOUR:
        return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    day = local_day(moment, zone)
    back = day.weekday() if resolution is Resolution.WEEK else 0
    return day_begins(day - timedelta(days=back), zone)


def _next(begins: datetime, resolution: Resolution, zone: tzinfo) -> datetime:
    if resolution is Resolution.HOUR:
        return begins + _HOUR
    days = 7 if resolution is Resolution.WEEK else 1
    following = day_begins(local_day(begins, zone) + timedelta(days=days), zone)
    # A day that a country skipped holds nothing; the one after it does.
    return following if following > begins else begins + timedelta(days=days)
