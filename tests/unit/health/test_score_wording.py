"""What a CSM reads."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.health.domain.profile.profile import Tiers
from services.health.domain.score.difference import Cause, Difference, PointChange, difference
from services.health.domain.score.evidence import NO_NORMAL_YET
from services.health.domain.score.missing import how_to_provide
from services.health.domain.score.percentile import Peers
from services.health.domain.score.reading import normal_range
from services.health.domain.score.score import Evidence, Line, Observation, Signal, score_account
from services.health.domain.score.unit import Unit
from services.health.domain.score.wording import (
    change_sentence,
    headline,
    most_helpful,
    sentence,
)
from tests.builders.health import NOW, days_ago, default_profile, evidence

PROFILE = default_profile()


def a_line(metric: str, value: float | None = None, **more: object) -> Line:
    given = {
        "dimension": "usage",
        "metric": metric,
        "value": value,
        "baseline": "",
        "subscore": 0.3875,
        "weight": 0.08,
        "points": 3.1,
        "max_points": 8.0,
        "observed": True,
        "age_days": 0.5,
        "freshness": 1.0,
    }
    return Line(**{**given, **more})  # type: ignore[arg-type]


def test_a_metric_speaks_in_its_own_words_first_and_then_of_similar_customers() -> None:
    peers = Peers(0.2, 48, 20, 0.7, 90, NOW)
    line = a_line("active_seats", 0.48, baseline="12 of 25 seats in the last 28 days", peers=peers)
    assert sentence(line) == (
        "Active seats: 12 of 25 seats in the last 28 days, "
        "lower than 80 % of 48 similar customers: 3.1 of 8.0 points."
    )


def test_the_detectors_ratio_is_a_share_of_the_accounts_own_normal() -> None:
    line = a_line("usage_ratio", 0.52, baseline="on 2026-02-28 alone 27 of 52.1 expected")
    assert sentence(line) == (
        "Usage: 52 % of its own normal, on 2026-02-28 alone 27 of 52.1 expected: 3.1 of 8.0 points."
    )


def test_while_there_is_no_normal_yet_no_share_of_it_is_claimed() -> None:
    line = a_line("usage_ratio", 1.0, baseline=NO_NORMAL_YET)
    assert sentence(line) == (
        "Usage: not yet 28 days to know its own normal from, so it counts as normal: "
        "3.1 of 8.0 points."
    )


def test_an_answer_is_its_value_and_the_label_says_what_was_asked() -> None:
    line = a_line("nps", 3.0, signal="nps_answered", normal="9 or more", age_days=4)
    assert sentence(line).startswith("Recommendation (NPS): 3, normal is 9 or more, 4 days old")


def test_a_share_is_said_in_percent_as_its_normal_is() -> None:
    line = a_line("outcome_progress", 0.8, signal="outcome_checked_in", normal="75 % or more")
    assert sentence(line).startswith(
        "Progress towards the customer's outcome: 80 %, normal is 75 % or more"
    )
    moved = PointChange("usage", "habit", 0.79, 0.33, -1.0, age_before=1, age_after=1)
    assert "79 % before, 33 % now" in change_sentence(replace(moved, is_share=True))
    assert "0.79 before, 0.33 now" in change_sentence(moved)


def test_only_what_is_below_normal_could_help() -> None:
    named = Signal("champion_named", NOW)
    failed = Signal("payment_failed", NOW)
    lines = score_account(PROFILE, evidence(named, failed), NOW).lines
    assert [line.metric for line in most_helpful(lines, 5)] == ["payments"]


def test_an_old_word_says_how_much_it_still_counts() -> None:
    line = a_line("payments", signal="payment_failed", age_days=60.2, freshness=0.71)
    assert "payment failed, 60 days old, counts 71 %" in sentence(line)


@pytest.mark.parametrize(
    ("tiers", "said"),
    [
        (Tiers((0.0, 7.0, 9.0), (0.1, 0.5, 1.0), is_curve=False), "9 or more"),
        (Tiers((0.0, 6.0, 11.0), (1.0, 0.5, 0.1), is_curve=False), "under 6"),
        (Tiers((0.0, 1.0), (0.0, 1.0), is_curve=True), "0.75 or more"),
        (Tiers((1.0, 3.0, 7.0), (1.0, 0.9, 0.5), is_curve=True), "at most 4.5"),
        (Tiers((0.0, 1.0), (0.0, 0.5), is_curve=True), ""),
        (Tiers((0.0, 1.0, 2.0), (0.0, 1.0, 0.0), is_curve=True), ""),
    ],
)
def test_what_is_normal_is_read_off_the_table(tiers: Tiers, said: str) -> None:
    assert normal_range(tiers) == said


@pytest.mark.parametrize(
    ("unit", "said"),
    [(Unit.NUMBER, "0.75 or more"), (Unit.SHARE, "75 % or more"), (Unit.COUNT, "1 or more")],
)
def test_what_is_normal_is_said_in_the_unit_of_the_number(unit: Unit, said: str) -> None:
    assert normal_range(Tiers((0.0, 1.0), (0.0, 1.0), is_curve=True), unit) == said


def test_a_whole_number_that_is_normal_is_whole() -> None:
    days = Tiers((1.0, 3.0, 7.0), (1.0, 0.9, 0.5), is_curve=True)
    assert normal_range(days, Unit.COUNT) == "at most 4"


def test_what_is_missing_is_said_to_people() -> None:
    lines = score_account(PROFILE, evidence(), NOW).lines
    said = {line.metric: how_to_provide(line) for line in lines}
    assert said["champion"].startswith("No champion was named at the customer. Whoever looks after")
    assert "Whoever runs billing" in said["payments"]
    assert "backend" in said["usage_ratio"]
    for words in said.values():
        assert not re.search(r"POST|/api|_|signal of type|Kafka", words), words


def test_what_is_missing_of_an_input_of_your_own() -> None:
    line = score_account(PROFILE, evidence(), NOW).lines[0]
    told = replace(line, metric="mood", accepts=("asked_twice", "went_quiet"))
    assert how_to_provide(told).startswith("Nothing of this was heard: asked twice or went quiet. ")
    assert how_to_provide(replace(told, accepts=())).startswith("Mood is not measured yet: ")


def changes(before: Evidence, after: Evidence, days: float = 0) -> dict[str, str]:
    old = score_account(PROFILE, before, NOW)
    new = score_account(PROFILE, after, NOW + timedelta(days=days))
    return {c.metric: change_sentence(c) for c in difference(old, new).changes}


def test_changes_in_words() -> None:
    failed = Signal("payment_failed", NOW)
    assert changes(evidence(), evidence(failed))["payments"] == (
        "Payments: now known (payment failed): −2.5 points."  # noqa: RUF001 - a minus
    )
    assert changes(evidence(failed), evidence(failed), 30)["payments"].startswith(
        "Payments: nothing new, so the last word fades: +"
    )
    known = Evidence({"usage_ratio": Observation(1.0, NOW)})
    dropped = Evidence({"usage_ratio": Observation(0.5, NOW)})
    assert "100 % before, 50 % of its own normal now" in changes(known, dropped)["usage_ratio"]
    assert "no longer counted" in changes(known, evidence())["usage_ratio"]
    earlier = evidence(Signal("payment_failed", days_ago(30)))
    assert "again payment failed" in changes(earlier, evidence(failed))["payments"]


def test_a_headline_names_what_weighs_most() -> None:
    since = datetime(2026, 3, 10, tzinfo=UTC)
    moved = (
        PointChange("usage", "usage_ratio", 1.0, 0.5, -9.2),
        PointChange("commercial", "payments", None, None, -5.1),
        PointChange("sentiment", "nps", 9.0, 9.0, 0.2),
        PointChange("", "a@1 -> a@2", 60.0, 60.1, 0.9, Cause.PROFILE),
    )
    assert headline(Difference(-13.2, moved), since, UTC) == (
        "Down 13 points since Tuesday 10 March 2026: usage −9, payments −5, "  # noqa: RUF001
        "profile changed +1"
    )
    assert headline(Difference(0.2, moved[2:3]), since, UTC).startswith("No change to speak of")
    one = Difference(1.0, (PointChange("a", "b", None, None, 1.0),))
    assert "Up 1 point since Tuesday 10 March 2026 09:30: b +1" in headline(
        one, since + timedelta(hours=9.5), UTC
    )


def test_the_figures_of_a_headline_add_up() -> None:
    since = datetime(2026, 3, 10, tzinfo=UTC)
    points = (-3.9, 0.9, 0.4, 0.4)
    moved = tuple(
        PointChange("a", name, None, None, n) for name, n in zip("abcd", points, strict=True)
    )
    assert headline(Difference(-2.2, moved), since, UTC) == (
        "Down 2 points since Tuesday 10 March 2026: a −4, b +1, the rest +1"  # noqa: RUF001
    )


def test_a_word_that_is_newer_says_so_as_points_may_rise_by_that_alone() -> None:
    change = PointChange("usage", "usage_ratio", 1.04, 1.03, 1.4, age_before=3.0, age_after=0.9)
    assert change_sentence(change) == (
        "Usage: 104 % before, 103 % of its own normal now (newer, so it counts more): +1.4 points."
    )


def test_points_that_what_was_said_does_not_explain_are_explained_by_its_age() -> None:
    def said(value: float, days: float) -> Evidence:
        return Evidence({"usage_ratio": Observation(value, days_ago(days))})

    newer, older = "(newer, so it counts more)", "(older, so it counts less)"
    assert newer in changes(said(1.08, 0.9), said(1.06, 0.1))["usage_ratio"]
    assert newer in changes(said(0.3, 0.9), said(0.3, 0.1))["usage_ratio"]
    assert older in changes(said(1.06, 0.1), said(1.08, 0.9))["usage_ratio"]
    assert "(" not in changes(said(1.0, 0.9), said(1.1, 0.1))["usage_ratio"]


def test_next_to_no_points_have_no_sign() -> None:
    change = PointChange("relationship", "champion", 1.0, 2.0, -0.004, age_before=1, age_after=1)
    assert change_sentence(change).endswith(": under 0.1 points.")


def test_large_numbers_have_no_exponent_and_are_said_once() -> None:
    line = a_line("exports_7d", 12345.0, baseline="12345 events in 7 days", normal="1500 or more")
    assert sentence(line).startswith("Exports 7d: 12345 events in 7 days, normal is 1500 or more:")
    assert normal_range(Tiers((0.0, 2000.0), (0.0, 1.0), is_curve=True)) == "1500 or more"
