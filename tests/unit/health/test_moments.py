from datetime import UTC, datetime

import pytest

from services.health.domain.score.moments import MomentInFuture, MomentUnclear, parse_moment
from shared.kernel.days import zone_of

NOW = datetime(2026, 3, 12, 9, 30, tzinfo=UTC)  # a Thursday


@pytest.mark.parametrize(
    ("said", "zone", "moment"),
    [
        ("2026-03-10T08:00:00Z", "UTC", "2026-03-10T08:00:00+00:00"),
        ("2026-03-10T08:00:00+02:00", "UTC", "2026-03-10T06:00:00+00:00"),
        ("2026-03-10", "UTC", "2026-03-10T00:00:00+00:00"),
        ("2026-03-10", "Asia/Tokyo", "2026-03-09T15:00:00+00:00"),
        ("today", "America/New_York", "2026-03-12T04:00:00+00:00"),
        ("yesterday", "UTC", "2026-03-11T00:00:00+00:00"),
        ("Tuesday", "UTC", "2026-03-10T00:00:00+00:00"),
        ("thursday", "UTC", "2026-03-05T00:00:00+00:00"),
        ("friday", "UTC", "2026-03-06T00:00:00+00:00"),
        ("thursday", "Pacific/Auckland", "2026-03-04T11:00:00+00:00"),
        ("7d", "UTC", "2026-03-05T09:30:00+00:00"),
        (" 2w ", "UTC", "2026-02-26T09:30:00+00:00"),
        ("12h", "UTC", "2026-03-11T21:30:00+00:00"),
        ("0001-01-01", "UTC", "unclear"),
        ("1900-01-01", "UTC", "1970-01-01T00:00:00+00:00"),
        ("9999w", "UTC", "1970-01-01T00:00:00+00:00"),
        ("last-change", "UTC", None),
    ],
)
def test_moments_as_people_say_them(said: str, zone: str, moment: str | None) -> None:
    if moment == "unclear":
        with pytest.raises(MomentUnclear):
            parse_moment(said, NOW, zone_of(zone))
        return
    found = parse_moment(said, NOW, zone_of(zone))
    assert found == (datetime.fromisoformat(moment) if moment else None)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "is not a moment"),
        ("tuesdy", "write a date"),
        ("-7d", "is not a moment"),
        ("7 days", "is not a moment"),
        ("99999d", "is not a moment"),
        ("2026-13-01", "not a date or time of the calendar"),
        ("2026-02-30T00:00:00Z", "not a date or time of the calendar"),
        ("2026-03-10T08:00:00", "has no time zone"),
        ("2026-03-10T08:00:00 02:00", "%2B"),
        ("20260310", "is not a moment"),
        ("2026-W11-2", "is not a moment"),
        ("\u0661\u0662h", "is not a moment"),
        ("x" * 5000, "is not a moment"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(said: str, why: str) -> None:
    with pytest.raises(MomentUnclear, match=why):
        parse_moment(said, NOW, UTC)


@pytest.mark.parametrize("said", ["2026-03-13", "2026-03-12T09:30:01Z", "9998-01-01", "9999-12-31"])
def test_the_future_is_refused(said: str) -> None:
    with pytest.raises((MomentInFuture, MomentUnclear)):
        parse_moment(said, NOW, UTC)
