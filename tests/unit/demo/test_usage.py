"""The cast's usage is the same in every run, and only those who are meant to slip away do."""

from datetime import UTC, date, datetime

import pytest

from tenure.demo.cast import Backend, Part, customers
from tenure.demo.script import day_plan
from tenure.demo.story import calendar_at
from tenure.demo.usage import LIVE_DAYS, Calendar, share, uses

MONDAY = date(2026, 3, 2)
ONE_OF_EACH_ZONE = tuple({one.time_zone: one for one in customers()}.values())


def test_the_same_day_holds_the_same_usage_in_every_run() -> None:
    customer, calendar = customers()[0], Calendar(MONDAY)
    day = calendar.live[0]
    assert list(uses(customer, day, calendar)) == list(uses(customer, day, calendar))


def test_a_suffix_changes_names_and_not_numbers() -> None:
    plain, suffixed = customers()[4], customers("-x1")[4]
    calendar = Calendar(MONDAY)
    day = calendar.live[3]
    assert suffixed.account_id == f"{plain.account_id}-x1"
    assert suffixed.segment == f"{plain.segment}-x1"
    times = [use.time for use in uses(plain, day, calendar)]
    assert [use.time for use in uses(suffixed, day, calendar)] == times


def test_all_usage_of_a_day_is_on_that_day_where_the_customer_is() -> None:
    calendar = Calendar(MONDAY)
    for customer in ONE_OF_EACH_ZONE:
        for day in (*calendar.live, calendar.today):
            assert {use.time.date() for use in uses(customer, day, calendar)} <= {day}


def test_the_silent_customer_comes_back_on_the_last_day() -> None:
    shares = [share(Part.SILENT, number) for number in range(-1, LIVE_DAYS + 1)]
    assert shares == [1.0, *[0.0] * (LIVE_DAYS - 1), 1.0, 1.0]


@pytest.mark.parametrize("hour", range(24))
def test_this_morning_is_over_whenever_the_demo_is_played(hour: int) -> None:
    now = datetime(2026, 3, 29, hour, 30, tzinfo=UTC)
    calendar = calendar_at(now)
    for customer in ONE_OF_EACH_ZONE:
        assert all(use.time < now for use in uses(customer, calendar.today, calendar))


def test_every_backend_sends_some_events_twice_and_some_that_are_bad() -> None:
    # Backends take turns: two customers each.
    calendar, cast = Calendar(MONDAY), customers()[:6]
    for backend in Backend:
        plans = [day_plan(backend, cast, day, calendar) for day in calendar.live]
        sent = [event["id"] for plan in plans for event in plan.events]
        bad = [event_id for event_id in sent if "/bad/" in event_id]
        assert len(sent) > len(set(sent))
        assert len(bad) == 2
        assert sum(plan.unique for plan in plans) == len(set(sent)) - len(bad)
