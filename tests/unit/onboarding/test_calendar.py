"""Days as the account lives them."""

from datetime import UTC, date, datetime

import pytest

from services.onboarding.domain.calendar import day_ends_at, days_between, local_day


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_same_moment_falls_on_different_days() -> None:
    moment = utc("2026-03-02T23:30")
    assert local_day(moment, "Europe/Berlin") == date(2026, 3, 3)
    assert local_day(moment, "America/New_York") == date(2026, 3, 2)


def test_a_minute_across_midnight_is_a_day_and_an_hour_within_a_day_is_none() -> None:
    assert days_between(utc("2026-03-02T22:59"), utc("2026-03-02T23:01"), "Europe/Berlin") == 1
    assert days_between(utc("2026-03-02T22:59"), utc("2026-03-02T23:01"), "UTC") == 0


def test_a_moment_before_the_start_is_no_negative_day() -> None:
    assert days_between(utc("2026-03-02T12:00"), utc("2026-02-20T12:00"), "UTC") == 0


@pytest.mark.parametrize(
    ("day", "zone", "ends"),
    [
        ("2026-03-28", "Europe/Berlin", "2026-03-28T23:00"),
        ("2026-03-29", "Europe/Berlin", "2026-03-29T22:00"),  # 23 hours long
        ("2026-10-25", "Europe/Berlin", "2026-10-25T23:00"),  # 25 hours long
        ("2026-03-02", "Pacific/Kiritimati", "2026-03-02T10:00"),
        ("2026-04-23", "Africa/Cairo", "2026-04-23T22:00"),  # the next day begins at 1 o'clock
    ],
)
def test_a_day_ends_at_the_local_midnight(day: str, zone: str, ends: str) -> None:
    assert day_ends_at(date.fromisoformat(day), zone) == utc(ends)
