"""Days as an account lives them."""

from datetime import UTC, date, datetime, timedelta

import pytest

from shared.kernel.days import (
    day_begins,
    day_ends,
    days_between,
    is_time_zone,
    local_day,
    zone_of,
)

BERLIN = zone_of("Europe/Berlin")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_same_moment_falls_on_different_days() -> None:
    moment = utc("2026-03-02T23:30")
    assert local_day(moment, BERLIN) == date(2026, 3, 3)
    assert local_day(moment, zone_of("America/New_York")) == date(2026, 3, 2)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        local_day(datetime(2026, 1, 1), UTC)  # noqa: DTZ001 - the mistake itself


def test_a_day_begins_at_local_midnight() -> None:
    assert day_begins(date(2026, 1, 15), BERLIN) == utc("2026-01-14T23:00")
    assert day_begins(date(2026, 7, 15), BERLIN) == utc("2026-07-14T22:00")


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-06-01", 24), ("2026-10-25", 25)]
)
def test_a_day_in_berlin_has_23_24_or_25_hours(day: str, hours: int) -> None:
    begins, ends = (edge(date.fromisoformat(day), BERLIN) for edge in (day_begins, day_ends))
    assert ends - begins == timedelta(hours=hours)
    assert begins.tzinfo is UTC


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
    assert day_ends(date.fromisoformat(day), zone_of(zone)) == utc(ends)


def test_where_the_clock_skips_midnight_the_day_begins_at_that_instant() -> None:
    sao_paulo = zone_of("America/Sao_Paulo")
    begins = day_begins(date(2018, 11, 4), sao_paulo)
    assert begins == utc("2018-11-04T03:00")
    assert local_day(begins, sao_paulo) == date(2018, 11, 4)
    assert day_ends(date(2018, 11, 4), sao_paulo) - begins == timedelta(hours=23)


def test_a_day_that_a_country_skipped_is_empty() -> None:
    apia = zone_of("Pacific/Apia")
    assert day_begins(date(2011, 12, 30), apia) == day_ends(date(2011, 12, 30), apia)


def test_a_minute_across_midnight_is_a_day_and_an_hour_within_a_day_is_none() -> None:
    before, after = utc("2026-03-02T22:59"), utc("2026-03-02T23:01")
    assert days_between(before, after, BERLIN) == 1
    assert days_between(before, after, UTC) == 0


def test_a_moment_before_the_start_is_no_negative_day() -> None:
    assert days_between(utc("2026-03-02T12:00"), utc("2026-02-20T12:00"), UTC) == 0


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "a\0b", "/etc/localtime"])
def test_an_unknown_zone_is_no_time_zone_and_counts_as_utc(name: str) -> None:
    assert not is_time_zone(name)
    assert zone_of(name) is UTC


def test_a_name_of_the_iana_database_is_a_time_zone() -> None:
    assert is_time_zone("Asia/Kathmandu")
    assert local_day(utc("2026-03-02T18:15"), zone_of("Asia/Kathmandu")) == date(2026, 3, 3)
