from datetime import UTC, datetime, timedelta

import pytest

from services.health.domain.score.history import (
    HistoryBackwards,
    HistoryTooLong,
    Kept,
    Resolution,
    buckets,
    check_span,
    is_worth_keeping,
)
from services.health.domain.score.score import Band
from shared.kernel.days import zone_of

START = datetime(2026, 3, 27, tzinfo=UTC)  # Europe's clocks change on the 29th
HOUR = timedelta(hours=1)


def kept(hours: float, score: float = 60.0, band: Band = Band.WATCH, coverage: float = 0.6) -> Kept:
    return Kept(START + hours * HOUR, score, band, coverage, "default@1")


def test_days_are_the_accounts_own_and_never_doubled_where_the_clock_changes() -> None:
    zone = zone_of("Europe/Berlin")
    span = (START, START + timedelta(days=4))
    found = buckets([kept(-40, 50), kept(30, 70)], span, Resolution.DAY, zone)
    begins = [bucket.begins_at.astimezone(zone) for bucket in found]
    assert [f"{day:%d %H}" for day in begins] == ["27 00", "28 00", "29 00", "30 00", "31 00"]
    assert [bucket.kept.score for bucket in found] == [50, 70, 70, 70, 70]
    assert [bucket.is_carried for bucket in found] == [True, False, True, True, True]


def test_nothing_is_made_up_before_the_first_score() -> None:
    found = buckets([kept(50)], (START, START + timedelta(days=4)), Resolution.DAY, UTC)
    assert [bucket.begins_at.day for bucket in found] == [29, 30]
    assert buckets([], (START, START + HOUR), Resolution.HOUR, UTC) == []


def test_the_last_score_of_a_bucket_speaks() -> None:
    scores = [kept(0.1, 50), kept(0.9, 51), kept(1.0, 52)]
    found = buckets(scores, (START, START + 2 * HOUR), Resolution.HOUR, UTC)
    assert [bucket.kept.score for bucket in found] == [51, 52]
    week = buckets(scores, (START, START + 2 * HOUR), Resolution.WEEK, UTC)
    assert [(bucket.begins_at.day, bucket.kept.score) for bucket in week] == [(23, 52)]


@pytest.mark.parametrize("resolution", list(Resolution))
def test_backwards_is_refused(resolution: Resolution) -> None:
    with pytest.raises(HistoryBackwards):
        check_span(START, START, resolution)


def test_too_long_is_refused_with_what_to_do() -> None:
    with pytest.raises(HistoryTooLong, match="31 days; ask for less, or for a coarser"):
        check_span(START, START + timedelta(days=32), Resolution.HOUR)
    check_span(START, START + timedelta(days=32), Resolution.RAW)


@pytest.mark.parametrize(
    ("after", "worth"),
    [
        (kept(1, 60.4), False),
        (kept(1, 60.5), True),
        (kept(1, coverage=0.63), True),
        (kept(1, band=Band.AT_RISK), True),
        (kept(24), True),
        (Kept(START + HOUR, 60, Band.WATCH, 0.6, "default@2"), True),
        (Kept(START + HOUR, 60, Band.WATCH, 0.6, "default@1", 0.2, 3), True),
    ],
)
def test_history_keeps_what_moved_and_one_a_day(after: Kept, worth: bool) -> None:  # noqa: FBT001
    assert is_worth_keeping(kept(0), after) is worth
    assert is_worth_keeping(None, after)
