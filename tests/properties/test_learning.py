"""On drawn renewals the fitted model finds what is there, and knows when to keep quiet."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest

from services.health.domain.learning.calibrating import (
    calibrate,
    isotonic_of,
    platt_of,
    probabilities,
)
from services.health.domain.learning.design import Design, once_each
from services.health.domain.learning.fitting import (
    ModelName,
    TooFewOutcomes,
    foresee_unseen,
    learn,
    named,
    split_by_time,
)
from services.health.domain.learning.shrinkage import expert_fit, shrunk_fit

TRUE = np.array([3.0, 0.0, 1.5])
EVEN = np.array([1 / 3, 1 / 3, 1 / 3])
NAMES = ["usage.ratio", "usage.noise", "support.tickets"]


def design(renewals: int = 1_500, seed: int = 1, betas: np.ndarray = TRUE) -> Design:
    """Three landmarks a month apart for each renewal, over two years; one account each."""
    random = np.random.default_rng(seed)
    renewal = np.repeat(np.arange(renewals), 3)
    evidence = np.repeat(random.uniform(-0.5, 0.5, (renewals, 3)), 3, axis=0)
    segment = np.repeat(random.integers(0, 2, renewals), 3)
    logits = -1.5 + np.array([0.4, -0.4])[segment] + evidence @ betas
    lost = np.repeat(random.random(renewals), 3) < 1 / (1 + np.exp(-logits))
    start = np.repeat(random.integers(0, 700, renewals), 3)
    day = start + np.tile([0, 30, 60], renewals)
    return Design(
        inputs=NAMES,
        segments=["mid", "smb"],
        evidence=evidence,
        months=np.tile([3.0, 2.0, 1.0], renewals),
        segment=segment,
        is_lost=lost,
        weight=once_each(renewal),
        account=renewal.copy(),
        renewal=renewal,
        day=day,
    )


def test_known_betas_are_found() -> None:
    data = design(4_000)
    fit = shrunk_fit(data, expert_fit(data, EVEN), 1.0)
    np.testing.assert_allclose(fit.betas, TRUE, atol=0.4)
    assert fit.segments[0] - fit.segments[1] == pytest.approx(0.8, abs=0.25)


def test_no_beta_is_ever_negative() -> None:
    data = design(2_000, betas=np.array([3.0, -2.0, 1.0]))
    fit = shrunk_fit(data, expert_fit(data, EVEN), 1.0)
    assert fit.betas[1] == 0.0
    assert (fit.betas >= 0).all()


def test_an_endless_pull_keeps_the_expert_weights_but_for_their_scale() -> None:
    data = design()
    weights = np.array([0.5, 0.3, 0.2])
    expert = expert_fit(data, weights)
    np.testing.assert_allclose(expert.betas / expert.betas.sum(), weights)
    strong = shrunk_fit(data, expert, 1e7)
    np.testing.assert_allclose(strong.betas, expert.betas, rtol=1e-2)


def test_with_thin_data_the_model_stays_by_the_experts() -> None:
    thin = design(150, seed=5, betas=np.array([2.0, 2.0, 2.0]))
    learned = learn(thin, EVEN, 60)
    off = np.abs(learned.fit.betas - learned.expert.betas).max()
    assert learned.pull >= 100
    assert off < 0.35 * learned.expert.betas.max()


def test_with_much_data_the_model_leaves_them() -> None:
    learned = learn(design(2_000), EVEN, 60)
    assert learned.pull <= 100
    assert learned.fit.betas[0] > 2 * learned.fit.betas[1] + 0.5
    assert learned.validated_on > 0


@pytest.mark.parametrize(("renewals", "losses"), [(90, 40), (400, 20), (120, 120)])
def test_too_few_outcomes_are_refused_with_their_numbers(renewals: int, losses: int) -> None:
    data = design(renewals)
    thin = replace(data, is_lost=data.renewal < losses)
    with pytest.raises(TooFewOutcomes, match=f"{renewals} resolved renewals with {losses} losses"):
        learn(thin, EVEN, 60)


def test_no_outcome_is_learned_from_that_was_not_known_when_the_test_began() -> None:
    data = design()
    split = split_by_time(data, 90, 10)
    assert split is not None
    assert data.day[split.early].max() + 90 <= split.from_day <= data.day[split.late].min()
    assert not set(data.renewal[split.early]) & set(data.renewal[split.late])


def test_foresight_sees_neither_the_accounts_nor_the_time_of_the_test() -> None:
    data = design(900)
    split = split_by_time(data, 90, 10)
    assert split is not None
    train, test = data.take(split.early), data.take(split.late)
    learned = learn(train, EVEN, 90, pulls=[10.0])
    mine = train.account % 5 == 0
    turned = replace(train, is_lost=np.where(mine, ~train.is_lost, train.is_lost))
    moved = foresee_unseen(turned, test, EVEN, learned) - foresee_unseen(train, test, EVEN, learned)
    # Other outcomes of its own accounts move a fold by the common level alone.
    assert np.ptp(moved[test.account % 5 == 0]) == pytest.approx(0, abs=1e-9)
    assert np.ptp(moved[test.account % 5 == 1]) > 0.01


def test_platt_turns_overconfidence_down() -> None:
    random = np.random.default_rng(1)
    true = random.normal(-1, 1, 5_000)
    lost = random.random(5_000) < 1 / (1 + np.exp(-true))
    found = platt_of(3 * true + 1, lost, np.ones(5_000))
    assert found.slope == pytest.approx(1 / 3, abs=0.03)


def test_isotonic_rises_and_is_not_used_on_few_renewals() -> None:
    random = np.random.default_rng(2)
    logits = random.normal(0, 2, 3_000)
    lost = random.random(3_000) < np.where(logits > 0, 0.4, 0.05)
    knots = isotonic_of(logits, lost, np.ones(3_000)).knots
    assert all(a < b for one, two in pairwise(knots) for a, b in zip(one, two, strict=True))
    account = np.arange(3_000)
    assert calibrate(logits, lost, np.ones(3_000), account).knots
    assert not calibrate(logits[:900], lost[:900], np.ones(900), account[:900]).knots


def test_the_named_model_says_what_the_fit_says() -> None:
    data = design()
    learned = learn(data, EVEN, 60, pulls=[10.0])
    model = named(learned, data, ModelName(3, "p", 2, 90, datetime(2026, 1, 1, tzinfo=UTC)))
    expected = learned.probabilities(learned.fit.logits(data))
    for entry in (0, 100, 2_000):
        subscores = dict(zip(NAMES, 0.5 - data.evidence[entry], strict=True))
        segment = data.segments[data.segment[entry]]
        said = model.probability(subscores, segment, float(data.months[entry]))
        assert said == pytest.approx(expected[entry], abs=1e-9)
    assert probabilities(model.calibration, np.array([0.0]))[0] == pytest.approx(
        model.calibration.probability(0.0)
    )
