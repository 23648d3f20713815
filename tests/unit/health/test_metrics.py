"""The formulas of metrics, and what they say in words."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest

from services.health.domain.metric.window import Tally, Window, measure
from services.health.domain.profile.metrics import Metric, MetricKind, read_metric
from services.health.domain.profile.reading import ProfileInvalid, Section

DAY = date(2026, 3, 2)
EVENTS = {
    "report.exported": Tally(6, DAY - timedelta(days=3)),
    "page.viewed": Tally(94, DAY),
}


def a_metric(kind: str, **other: Any) -> Metric:
    return read_metric("m", Section.of("metrics.m", {"kind": kind, **other}))


def a_window(**other: Any) -> Window:
    usual = {"day": DAY, "days_known": 28, "events": EVENTS, "users": 12, "user_days": 84}
    return Window(**{**usual, **other})


@pytest.mark.parametrize(
    ("metric", "window", "value", "sample", "words"),
    [
        (a_metric("count"), a_window(), 100, 100, "100 events in 28 days"),
        (
            a_metric("count", events=["report.exported"], window_days=7),
            a_window(days_known=7),
            6,
            6,
            "6 events in 7 days",
        ),
        (a_metric("count", events=["never"]), a_window(), 0, 0, "0 events in 28 days"),
        (a_metric("distinct_users"), a_window(), 12, 12, "12 people active in 28 days"),
        (a_metric("distinct_users"), a_window(users=1), 1, 1, "1 person active in 28 days"),
        (a_metric("breadth"), a_window(), 2, 100, "2 kinds of events in 28 days"),
        (
            a_metric("breadth"),
            a_window(events={"page.viewed": Tally(3, DAY)}),
            1,
            3,
            "1 kind of events in 28 days",
        ),
        (
            a_metric("breadth", events=["report.exported", "a", "b"]),
            a_window(),
            1,
            6,
            "1 of 3 kinds of events in 28 days",
        ),
        (
            a_metric("stickiness"),
            a_window(),
            3 / 12,
            12,
            "on average 3.0 of 12 people a day (25 %), over 28 days",
        ),
        (
            a_metric("stickiness"),
            a_window(days_known=14),
            6 / 12,
            12,
            "on average 6.0 of 12 people a day (50 %), over the 14 days known of 28",
        ),
        (a_metric("stickiness"), a_window(users=0, user_days=0), None, 0, ""),
        (
            a_metric("seat_utilisation"),
            a_window(seats=25),
            0.48,
            12,
            "12 of 25 seats (48 %) active in 28 days",
        ),
        (
            a_metric("seat_utilisation"),
            a_window(seats=10),
            1.2,
            12,
            "12 of 10 seats (120 %) active",
        ),
        (a_metric("seat_utilisation"), a_window(), None, 0, ""),
        (a_metric("seat_utilisation"), a_window(seats=9, users=0), None, 0, ""),
        (
            a_metric("seat_utilisation"),
            a_window(seats=9, users=0, events={}),
            0,
            0,
            "0 of 9 seats (0 %) active in 28 days",
        ),
        (
            a_metric("key_action_recency", events=["report.exported", "other"]),
            a_window(),
            3,
            6,
            "report.exported last seen 3 days ago",
        ),
        (
            a_metric("key_action_recency", events=["report.exported", "page.viewed"]),
            a_window(),
            0,
            100,
            "page.viewed last seen today",
        ),
        (
            a_metric("key_action_recency", events=["never"]),
            a_window(days_known=9),
            9,
            0,
            "none of never in the 9 days known of 28",
        ),
        (a_metric("count"), a_window(days_known=0), None, 0, ""),
    ],
)
def test_each_kind_is_what_it_says(
    metric: Metric, window: Window, value: float | None, sample: int, words: str
) -> None:
    found = measure(metric, window)
    if value is None:
        assert found is None
        return
    assert found is not None
    assert found.value == pytest.approx(value)
    assert (found.sample, found.day) == (sample, DAY)
    assert found.baseline.startswith(words)


SPENT = a_metric("sum", events=["order.paid", "order.refunded"], property="amount")
PAID, REFUNDED = ("order.paid", "amount"), ("order.refunded", "amount")


def summed(since: Mapping[tuple[str, str], date]) -> Window:
    return a_window(sums={PAID: (120.5, 3), REFUNDED: (-20.5, 1)}, sums_since=since)


def test_a_sum_adds_its_events_and_knows_since_when_all_of_them_are_added_up() -> None:
    since = {PAID: date.min, REFUNDED: DAY - timedelta(days=9)}
    found = measure(SPENT, summed(since))
    assert found is not None
    assert (found.value, found.sample, found.days_known) == (100, 4, 10)
    assert found.baseline == "amount adds up to 100 over 4 events in the 10 days known of 28"


@pytest.mark.parametrize(("seen", "value"), [("order.paid", None), ("page.viewed", 0)])
def test_events_without_the_number_are_no_sum_of_nothing(seen: str, value: float | None) -> None:
    since = {PAID: date.min, REFUNDED: date.min}
    found = measure(SPENT, a_window(events={seen: Tally(3, DAY)}, sums_since=since))
    assert (found and found.value) == value


@pytest.mark.parametrize(
    "since", [{}, {PAID: date.min}, {PAID: date.min, REFUNDED: DAY + timedelta(days=1)}]
)
def test_a_sum_that_is_not_whole_has_no_value(since: Mapping[tuple[str, str], date]) -> None:
    assert measure(SPENT, summed(since)) is None


@pytest.mark.parametrize(
    ("window_days", "days_known", "is_enough"),
    [(28, 6, False), (28, 7, True), (3, 2, False), (3, 3, True)],
)
def test_the_score_listens_from_a_week_on_or_the_whole_of_a_shorter_window(
    window_days: int, days_known: int, *, is_enough: bool
) -> None:
    metric = a_metric("count", window_days=window_days)
    found = measure(metric, a_window(days_known=days_known))
    assert found is not None
    assert found.is_enough(metric) is is_enough


def test_every_kind_has_a_formula() -> None:
    for kind in MetricKind:
        metric = Metric("m", kind, ("report.exported",), "amount")
        since = dict.fromkeys(metric.pairs(), date.min)
        sums = dict.fromkeys(metric.pairs(), (7.0, 1))
        assert measure(metric, a_window(seats=9, sums=sums, sums_since=since)) is not None


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({}, "metrics.m.kind: write a text"),
        ({"kind": "mean"}, "metrics.m.kind: write one of count, sum, distinct_users"),
        ({"kind": "active_users"}, "metrics.m.kind: write one of"),
        ({"kind": "count", "event": ["a"]}, "metrics.m.event: unknown; remove it or use one of"),
        ({"kind": "count", "events": "a"}, "metrics.m.events: write a list of names"),
        ({"kind": "count", "window_days": 0}, "metrics.m.window_days: write a whole number"),
        ({"kind": "count", "window_days": 91}, "metrics.m.window_days: write at most 90"),
        ({"kind": "count", "window_days": 7.5}, "metrics.m.window_days: write a whole number"),
        ({"kind": "count", "property": "p"}, "metrics.m.property: name one for kind sum"),
        ({"kind": "sum", "events": ["a"]}, "metrics.m.property: name one for kind sum"),
        ({"kind": "sum", "property": "p"}, "metrics.m.events: name at least one event"),
        ({"kind": "key_action_recency"}, "metrics.m.events: name at least one event"),
        ({"kind": "seat_utilisation", "events": ["a"]}, "metrics.m.events: remove it; seat_ut"),
        ({"kind": "count", "description": 7}, "metrics.m.description: write a text"),
    ],
)
def test_a_wrong_definition_is_refused_with_its_path_and_what_to_write(
    definition: dict[str, object], message: str
) -> None:
    with pytest.raises(ProfileInvalid) as refusal:
        read_metric("m", Section.of("metrics.m", definition))
    assert str(refusal.value).startswith(message)
    assert refusal.value.context["path"] == message.partition(": ")[0]
