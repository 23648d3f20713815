from collections.abc import Callable
from typing import Any

import pytest

from services.health.domain.profile.metrics import Metric, MetricKind
from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Tiers
from services.health.domain.profile.reading import ProfileInvalid
from tests.builders.health import default_document, default_profile

COUNTED = {"signals": {"a": "count"}, "window_days": 30}


def test_the_shipped_profile_has_the_published_weights_and_milestone() -> None:
    profile = default_profile()
    assert {d.name: d.weight for d in profile.dimensions} == {
        "usage": 40,
        "outcome": 15,
        "support": 15,
        "sentiment": 15,
        "relationship": 10,
        "commercial": 5,
    }
    first_value = profile.milestones[0]
    assert (first_value.name, first_value.event, first_value.users) == (
        "first_value",
        "report.exported",
        3,
    )
    assert {rule.reason for rule in profile.signal_rules} >= {
        "champion_left",
        "payment_failed",
        "cancellation_intent",
    }


def test_a_fact_told_late_during_a_cool_down_can_still_open_when_it_ends() -> None:
    for rule in default_profile().signal_rules:
        if rule.count == 1:
            assert rule.window > rule.cool_down, rule.reason


def put(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("version", value="1"), "version: write a whole number"),
        (put("name", value=" "), "name: write a text"),
        (put("coverage_flour", value=0.3), "coverage_flour: unknown"),
        (put("coverage_floor", value=35), "coverage_floor: write a number from 0 to 1"),
        (put("bands", "watch_below", value=40), "bands.watch_below: write a number above"),
        (put("bands", value=[1]), "bands: write a mapping"),
        (put("metrics", "events", "kind", value="median"), "metrics.events.kind: write one of"),
        (put("metrics", "events", "kind", value="sum"), "metrics.events.property: name one"),
        (put("metrics", "events", "events", value="a"), "metrics.events.events: write a list"),
        (put("dimensions", value={}), "dimensions: give at least one"),
        (put("dimensions", "usage", "inputs", value={}), "dimensions.usage.inputs: name"),
        (
            put("dimensions", "sentiment", "inputs", "nps", value={"weight": 1}),
            "dimensions.sentiment.inputs.nps: give it steps, a curve or signals",
        ),
        (
            put("dimensions", "sentiment", "inputs", "nps", "steps", value=[[9, 1], [7, 0]]),
            "dimensions.sentiment.inputs.nps.steps: order the values",
        ),
        (
            put("dimensions", "sentiment", "inputs", "nps", "steps", value=[[9, 5]]),
            "points from 0 to 1",
        ),
        (
            put("dimensions", "sentiment", "inputs", "nps", "curve", value=[[9, 1]]),
            "write steps or a curve, not both",
        ),
        (
            put("dimensions", "commercial", "inputs", "payments", "signals", "paid", value="value"),
            "add steps or a curve to score its value",
        ),
        (
            put("dimensions", "support", "inputs", "tickets_30d", value=COUNTED),
            "tickets_30d.signals.a: add steps or a curve to score its count",
        ),
        (
            put("dimensions", "support", "inputs", "tickets_30d", "signals", "a", value=0.5),
            "dimensions.support.inputs.tickets_30d.signals: count all of these signals, or none",
        ),
        (
            put("dimensions", "support", "inputs", "tickets_30d", "window_days", value=366),
            "dimensions.support.inputs.tickets_30d.window_days: write at most 365",
        ),
        (
            put("dimensions", "sentiment", "inputs", "nps", "window_days", value=30),
            "dimensions.sentiment.inputs.nps.window_days: say it for signals that are counted",
        ),
        (
            put("signal_rules", "champion_left", "severity", value="awful"),
            "signal_rules.champion_left.severity: write one of low, medium, high, critical",
        ),
        (put("drop", "exit_probability", value=0.9), "drop.exit_probability: write a number"),
        (
            put("signal_rules", "silence", value={"title": "Ours"}),
            "signal_rules.silence: silence is what usage and scores are watched for",
        ),
        (
            put("signal_rules", "champion_left", "half_life_days", value=None),
            "signal_rules.champion_left.half_life_days: write a number",
        ),
    ],
)
def test_a_mistake_is_refused_with_its_path_and_what_to_write(
    change: Callable[[dict[str, Any]], None], message: str
) -> None:
    document = default_document()
    change(document)
    with pytest.raises(ProfileInvalid) as refusal:
        parse_profile(document)
    assert message in str(refusal.value)


def test_steps_hold_until_the_next_value_and_curves_run_straight_between() -> None:
    steps = Tiers((0, 5, 10), (1.0, 0.5, 0.0), is_curve=False)
    curve = Tiers((0, 5, 10), (1.0, 0.5, 0.0), is_curve=True)
    assert [steps.subscore(v) for v in (-1, 0, 4.9, 5, 99)] == [1.0, 1.0, 1.0, 0.5, 0.0]
    assert [curve.subscore(v) for v in (-1, 2.5, 5, 7.5, 99)] == [1.0, 0.75, 0.5, 0.25, 0.0]


def test_a_metric_that_names_no_events_counts_all() -> None:
    assert Metric("events", MetricKind.COUNT).counts("anything")
    exports = Metric("exports", MetricKind.COUNT, ("report.exported",))
    assert exports.counts("report.exported")
    assert not exports.counts("report.opened")
