"""Local days that are remembered, in any order of moments."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.health.domain.usage.local_days import LocalDays
from shared.kernel.days import local_day, zone_of

SINCE_2000 = datetime(2000, 1, 1, tzinfo=UTC)
ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia", "Mars/Base"]


@given(
    moments=st.lists(
        st.integers(0, 30 * 366 * 86_400).map(lambda s: SINCE_2000 + timedelta(seconds=s)),
        min_size=1,
        max_size=50,
    ),
    zone=st.sampled_from(ZONES),
)
def test_a_day_that_was_looked_up_before_is_the_day_it_would_be(
    moments: list[datetime], zone: str
) -> None:
    days = LocalDays({"acme": zone})
    near = [m + timedelta(minutes=n * 37) for m in moments for n in range(-40, 40)]
    assert [days.of("acme", m) for m in near] == [local_day(m, zone_of(zone)) for m in near]
