"""The cast's steady customers stay steady, whatever day the demo is played."""

from datetime import date, timedelta

import pytest

from services.health.domain.risk.reasons import DipReading, usage_dip
from services.health.domain.risk.risk import Stage
from tenure.demo.cast import Part, customers
from tenure.demo.usage import Calendar, uses
from tests.builders.health import default_profile

MONDAY = date(2026, 3, 2)


@pytest.mark.parametrize("weekday", range(7))
def test_no_steady_customer_dips_whatever_day_it_is(weekday: int) -> None:
    calendar = Calendar(MONDAY + timedelta(days=weekday))
    days = (*calendar.history[-14:], *calendar.live)
    profile = default_profile()
    for customer in customers():
        if customer.part in {Part.FALLING, Part.SILENT}:
            continue
        counts = [len(list(uses(customer, day, calendar))) for day in days]
        for end in range(14, len(days) + 1):
            week, before = sum(counts[end - 7 : end]), sum(counts[end - 14 : end - 7])
            reading = DipReading(week, before)
            found = usage_dip(customer.account_id, reading, profile.dip, profile.drop.exit_ratio)
            assert found.stage is not Stage.PRESENT, (customer.name, found.explanation)
