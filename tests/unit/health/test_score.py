import pytest

from services.health.domain.profile.parsing import parse_profile
from services.health.domain.score.difference import difference
from services.health.domain.score.score import (
    COVERAGE_MARGIN,
    Band,
    Evidence,
    Line,
    Observation,
    Signal,
    band_after,
    score_account,
)
from services.health.domain.score.wording import reason
from tests.builders.health import (
    NOW,
    days_ago,
    default_document,
    default_profile,
    evidence,
)

PROFILE = default_profile()


def test_an_account_nobody_knows_scores_half_with_no_coverage_and_is_unknown() -> None:
    score = score_account(PROFILE, evidence(), NOW)
    assert score.value == pytest.approx(50)
    assert score.coverage == 0
    assert band_after(Band.HEALTHY, 10.0, score.coverage, PROFILE) is Band.UNKNOWN


def test_product_usage_alone_is_enough_for_a_band_in_the_shipped_profile() -> None:
    usage = evidence(usage_ratio=1.0, active_users_ratio=1.0, days_since_activity=0)
    score = score_account(PROFILE, usage, NOW)
    assert score.coverage == pytest.approx(0.38)
    assert band_after(None, score.value, score.coverage, PROFILE) is Band.WATCH


def test_a_signal_moves_half_as_many_points_after_its_half_life() -> None:
    nobody = score_account(PROFILE, evidence(), NOW).value
    fresh = score_account(PROFILE, evidence(Signal("champion_left", NOW)), NOW).value
    later = score_account(PROFILE, evidence(Signal("champion_left", days_ago(90))), NOW).value
    assert nobody - later == pytest.approx((nobody - fresh) / 2)


def test_the_latest_signal_speaks_and_at_the_same_moment_the_worse() -> None:
    failed, paid = (Signal(kind, days_ago(5)) for kind in ("payment_failed", "payment_succeeded"))
    recovered = Signal("payment_recovered", days_ago(1))
    ordered = [
        score_account(PROFILE, evidence(*s), NOW).value for s in ((failed, paid), (paid, failed))
    ]
    only_failed = score_account(PROFILE, evidence(failed), NOW).value
    assert ordered == [only_failed, only_failed]
    assert score_account(PROFILE, evidence(failed, recovered), NOW).value > only_failed


def tickets(*days: float) -> Line:
    signals = [Signal("ticket_opened", days_ago(ago), 2) for ago in days]
    score = score_account(PROFILE, evidence(*signals), NOW)
    return next(line for line in score.lines if line.metric == "tickets_30d")


def test_tickets_of_30_days_are_counted_whatever_their_own_value() -> None:
    few, many = tickets(0, 1, 30, 31), tickets(0, 1, 1, 2, 9, 29)
    assert (few.value, few.points, few.freshness) == (3, pytest.approx(10), 1)
    assert (many.value, many.points, many.freshness) == (6, pytest.approx(5), 1)
    assert reason(many) == "Tickets in 30 days: 6, normal is under 6"


def test_no_ticket_ever_is_not_no_ticket_and_none_since_fades() -> None:
    never, long_since = tickets(), tickets(75)
    assert (never.observed, never.accepts, never.points) == (False, ("ticket_opened",), 5)
    assert (long_since.value, long_since.age_days) == (0, 45)
    assert long_since.freshness == pytest.approx(0.5)
    assert long_since.points == pytest.approx(7.5)


def test_a_line_says_value_baseline_age_and_whether_it_was_observed() -> None:
    seen = Observation(0.5, days_ago(2), "of its own normal")
    score = score_account(PROFILE, Evidence({"usage_ratio": seen}), NOW)
    line = next(line for line in score.lines if line.metric == "usage_ratio")
    assert (line.dimension, line.value, line.baseline) == ("usage", 0.5, "of its own normal")
    assert line.age_days == pytest.approx(2)
    assert line.observed
    assert line.max_points == pytest.approx(18)
    assert not next(line for line in score.lines if line.metric == "nps").observed


def test_a_difference_names_only_what_changed_largest_first() -> None:
    before = score_account(PROFILE, evidence(usage_ratio=1.0), NOW)
    after = score_account(PROFILE, evidence(Signal("payment_failed", NOW), usage_ratio=0.3), NOW)
    assert [change.metric for change in difference(before, after).changes] == [
        "usage_ratio",
        "payments",
    ]


@pytest.mark.parametrize(
    ("previous", "score", "band"),
    [
        (None, 49.9, Band.AT_RISK),
        (None, 50.0, Band.WATCH),
        (None, 75.0, Band.HEALTHY),
        (Band.UNKNOWN, 49.9, Band.AT_RISK),
        (Band.AT_RISK, 54.9, Band.AT_RISK),
        (Band.AT_RISK, 55.0, Band.WATCH),
        (Band.WATCH, 45.0, Band.WATCH),
        (Band.WATCH, 44.9, Band.AT_RISK),
        (Band.WATCH, 79.9, Band.WATCH),
        (Band.WATCH, 80.0, Band.HEALTHY),
        (Band.HEALTHY, 70.0, Band.HEALTHY),
        (Band.HEALTHY, 69.9, Band.WATCH),
        (Band.HEALTHY, 20.0, Band.AT_RISK),
    ],
)
def test_a_band_is_left_only_five_points_past_its_edge(
    previous: Band | None, score: float, band: Band
) -> None:
    assert band_after(previous, score, 1.0, PROFILE) is band


def test_unknown_is_left_a_little_above_the_floor_so_that_a_day_old_figure_does_not_flicker() -> (
    None
):
    floor = PROFILE.coverage_floor
    assert band_after(Band.WATCH, 60, floor, PROFILE) is Band.WATCH
    assert band_after(Band.UNKNOWN, 60, floor, PROFILE) is Band.UNKNOWN
    assert band_after(Band.UNKNOWN, 60, floor + COVERAGE_MARGIN, PROFILE) is Band.WATCH
    usage = evidence(usage_ratio=1.0, active_users_ratio=1.0, stickiness=0.3, days_since_activity=0)
    a_day_later = score_account(PROFILE, usage, days_ago(-1))
    assert a_day_later.coverage >= floor + COVERAGE_MARGIN


def test_a_change_of_profile_keeps_the_habit_of_the_band() -> None:
    stricter = default_document()
    stricter["bands"] = {"at_risk_below": 55, "watch_below": 75, "leave_margin": 5}
    profile = parse_profile(stricter)
    assert band_after(None, 52, 1.0, profile) is Band.AT_RISK
    assert band_after(Band.WATCH, 52, 1.0, profile) is Band.WATCH
    assert band_after(Band.WATCH, 49.9, 1.0, profile) is Band.AT_RISK


@pytest.mark.parametrize(
    ("metric", "half_life"),
    [
        ("usage_ratio", 14),
        ("active_users_ratio", 14),
        ("days_since_activity", 14),
        ("tickets_30d", 45),
        ("executive_contact", 90),
        ("payments", 120),
        ("nps", 180),
    ],
)
def test_half_lives_are_those_of_the_method(metric: str, half_life: float) -> None:
    inputs = {one.name: one for dimension in PROFILE.dimensions for one in dimension.inputs}
    assert inputs[metric].half_life_days == half_life


def test_silence_alone_pulls_a_healthy_score_down_and_a_bad_one_towards_the_middle() -> None:
    good = evidence(usage_ratio=1.2, active_users_ratio=1.2, days_since_activity=0)
    bad = evidence(usage_ratio=0, active_users_ratio=0, days_since_activity=30)
    for one, sign in ((good, -1), (bad, 1)):
        values = [score_account(PROFILE, one, days_ago(-days)).value for days in (0, 14, 28)]
        assert (values[1] - values[0]) * sign > 0
        assert values[1] - 50 == pytest.approx((values[0] - 50) / 2)
        assert values[2] - 50 == pytest.approx((values[0] - 50) / 4)
