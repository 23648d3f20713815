import math
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.health.domain.score.loss_model import Calibration, LossModel, allocate

NAMES = ("usage.usage_ratio", "support.csat", "commercial.payments")
KNOTS = ((-3.0, 0.02), (-1.0, 0.1), (-0.5, 0.1), (0.5, 0.4), (2.0, 0.9))


def model(
    betas: dict[str, float], calibration: Calibration | None = None, month_slope: float = -0.1
) -> LossModel:
    return LossModel(
        version=3,
        profile_name="default",
        profile_version=1,
        horizon_days=180,
        intercepts={"": -1.5, "enterprise": -2.5},
        month_slope=month_slope,
        betas=betas,
        calibration=calibration or Calibration(),
        trained_on=412,
        losses=61,
        trained_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


def test_the_formula_by_hand() -> None:
    one = model({"usage.usage_ratio": 4.0, "support.csat": 1.0})
    subscores = {"usage.usage_ratio": 0.25, "support.csat": 0.75}
    # -2.5 - 0.1 * 6 + 4 * 0.25 + 1 * (-0.25) = -2.35
    assert one.logit(subscores, "enterprise", 6) == pytest.approx(-2.35)
    assert one.probability(subscores, "enterprise", 6) == pytest.approx(1 / (1 + math.exp(2.35)))
    assert one.logit(subscores, "new", 6) == pytest.approx(-1.35)


def test_a_renewal_that_is_not_known_counts_as_one_horizon_away_and_years_as_one() -> None:
    one = model({})
    assert one.logit({}, "", None) == pytest.approx(-1.5 - 0.1 * 180 / (365.25 / 12))
    assert one.logit({}, "", 30) == one.logit({}, "", 12)
    assert one.logit({}, "", -4) == one.logit({}, "", 0)


betas = st.fixed_dictionaries({name: st.floats(0, 12) for name in NAMES})
subscores = st.fixed_dictionaries({name: st.floats(0, 1) for name in NAMES})
calibrations = st.one_of(
    st.builds(Calibration, st.floats(0.05, 3), st.floats(-3, 3)), st.just(Calibration(knots=KNOTS))
)
CANCELLING = dict(zip(NAMES, (2.0, 2.0, 0.0), strict=True))
OPPOSED = dict(zip(NAMES, (0.0, 1.0 - 1e-12, 0.5), strict=True))


@settings(max_examples=300, derandomize=True, deadline=None)
@given(betas, subscores, calibrations, st.none() | st.floats(-5, 40))
@example(CANCELLING, OPPOSED, Calibration(), 3.0)
@example(CANCELLING, OPPOSED, Calibration(knots=KNOTS), 3.0)
@example(CANCELLING, dict.fromkeys(NAMES, 0.5), Calibration(knots=KNOTS), 3.0)
def test_points_add_up_and_keep_their_sign(
    betas: dict[str, float],
    subscores: dict[str, float],
    calibration: Calibration,
    months: float | None,
) -> None:
    one = model(betas, calibration)
    found = allocate(one, subscores, "enterprise", months)
    score = 100 * (1 - one.probability(subscores, "enterprise", months))
    assert found.base + math.fsum(found.points.values()) == pytest.approx(score, abs=1e-9)
    assert found.base == pytest.approx(100 * (1 - one.probability({}, "enterprise", months)))
    for name, points in found.points.items():
        assert points * found.logits[name] <= 0
        assert points == pytest.approx(0) or (subscores[name] > 0.5) == (points > 0)


def test_two_inputs_that_cancel_out_still_show_what_each_does() -> None:
    found = allocate(model(CANCELLING), OPPOSED, "", 0)
    assert found.points["usage.usage_ratio"] == pytest.approx(-100 * 1.0 * 0.1491, abs=0.01)
    assert found.points["support.csat"] == pytest.approx(100 * 1.0 * 0.1491, abs=0.01)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(subscores, calibrations)
def test_a_better_subscore_never_means_a_greater_risk(
    subscores: dict[str, float], calibration: Calibration
) -> None:
    one = model(dict.fromkeys(NAMES, 3.0), calibration)
    better = {**subscores, NAMES[0]: min(1.0, subscores[NAMES[0]] + 0.1)}
    assert one.probability(better, "", 3) <= one.probability(subscores, "", 3) + 1e-12


def test_isotonic_knots_hold_their_ends_outside() -> None:
    isotonic = Calibration(knots=KNOTS)
    assert isotonic.probability(-9) == 0.02
    assert isotonic.probability(9) == 0.9
    assert isotonic.probability(0) == pytest.approx(0.25)
    assert isotonic.probability(-0.7) == pytest.approx(0.1)
