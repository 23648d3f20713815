"""Local days, at any moment."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kernel.days import day_begins, day_ends, local_day, zone_of

ZONES = ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Beirut", "Asia/Kathmandu"]


@settings(max_examples=60, derandomize=True)
@given(
    moment=st.datetimes(datetime(2005, 1, 2), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis wants naive bounds
    name=st.sampled_from(ZONES),
)
def test_every_moment_lies_within_its_local_day(moment: datetime, name: str) -> None:
    zone = zone_of(name)
    day = local_day(moment, zone)
    assert day_begins(day, zone) <= moment < day_ends(day, zone)
