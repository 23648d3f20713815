from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.health.domain.day import day_bounds, is_closed, local_day

ZONES = ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Beirut", "Asia/Kathmandu"]


@pytest.mark.parametrize(
    ("day", "hours"), [((2026, 3, 29), 23), ((2026, 6, 1), 24), ((2026, 10, 25), 25)]
)
def test_a_day_in_berlin_has_23_24_or_25_hours(day: tuple[int, int, int], hours: int) -> None:
    start, end = day_bounds(date(*day), ZoneInfo("Europe/Berlin"))
    assert end - start == timedelta(hours=hours)
    assert start.tzinfo is UTC


def test_a_day_whose_midnight_was_skipped_starts_at_the_change() -> None:
    start, end = day_bounds(date(2018, 11, 4), ZoneInfo("America/Sao_Paulo"))
    assert start == datetime(2018, 11, 4, 3, tzinfo=UTC)
    assert end - start == timedelta(hours=23)


def test_a_day_that_a_country_skipped_is_empty() -> None:
    start, end = day_bounds(date(2011, 12, 30), ZoneInfo("Pacific/Apia"))
    assert start == end


@settings(max_examples=60, derandomize=True)
@given(
    moment=st.datetimes(datetime(2005, 1, 2), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis wants naive bounds
    zone=st.sampled_from(ZONES),
)
def test_every_moment_lies_within_the_bounds_of_its_local_day(moment: datetime, zone: str) -> None:
    start, end = day_bounds(local_day(moment, ZoneInfo(zone)), ZoneInfo(zone))
    assert start <= moment < end


def test_a_day_closes_when_it_is_over_for_the_account_and_grace_has_passed() -> None:
    zone, grace = ZoneInfo("America/New_York"), timedelta(hours=2)
    day = date(2026, 1, 15)
    assert not is_closed(day, zone, datetime(2026, 1, 16, 6, 59, tzinfo=UTC), grace)
    assert is_closed(day, zone, datetime(2026, 1, 16, 7, 0, tzinfo=UTC), grace)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        local_day(datetime(2026, 1, 1), ZoneInfo("UTC"))  # noqa: DTZ001 - the mistake itself
