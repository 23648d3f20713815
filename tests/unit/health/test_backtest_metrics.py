"""Metrics against values worked out by hand, and against scikit-learn where it is installed."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from services.health.domain.backtest import metrics
from services.health.domain.backtest.samples import Bootstrap, Sample, lost_share, share_figure

RISK = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
LOST = np.array([True, False, True, False, False])
ONE = np.ones(5)


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    # (0.9 beats 3 kept) + (0.7 beats 2 of 3) = 5 of 6 pairs.
    assert metrics.auc(RISK, LOST, ONE) == pytest.approx(5 / 6)


def test_ties_count_half() -> None:
    same = np.array([0.5, 0.5])
    assert metrics.auc(same, np.array([True, False]), np.ones(2)) == 0.5


def test_average_precision_by_hand() -> None:
    # Precision 1/1 at the first loss, 2/3 at the second; each adds half of the recall.
    assert metrics.pr_auc(RISK, LOST, ONE) == pytest.approx((1 + 2 / 3) / 2)


def test_a_weight_of_two_is_the_entry_twice() -> None:
    weight = np.array([1.0, 2.0, 0.0, 1.0, 3.0])
    twice = np.repeat(np.arange(5), weight.astype(int))
    for metric in (metrics.auc, metrics.pr_auc, metrics.brier, metrics.log_loss):
        assert metric(RISK, LOST, weight) == pytest.approx(
            metric(RISK[twice], LOST[twice], np.ones(len(twice)))
        )


def test_brier_and_skill_by_hand() -> None:
    # Errors .1, .8, .3, .6, .5 squared are .01 + .64 + .09 + .36 + .25 = 1.35 of 5.
    assert metrics.brier(RISK, LOST, ONE) == pytest.approx(0.27)
    assert metrics.brier_skill(RISK, LOST, ONE) == pytest.approx(1 - 0.27 / (0.4 * 0.6))


def test_log_loss_of_a_coin_is_log_two() -> None:
    assert metrics.log_loss(np.full(5, 0.5), LOST, ONE) == pytest.approx(math.log(2))


def test_nothing_to_rank_is_not_a_number() -> None:
    assert math.isnan(metrics.auc(RISK, np.ones(5, dtype=bool), ONE))
    assert math.isnan(metrics.pr_auc(RISK, np.zeros(5, dtype=bool), ONE))


def test_the_calibration_line_of_a_true_probability_is_straight() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(-1, 1.5, 40_000)
    lost = random.random(40_000) < 1 / (1 + np.exp(-logits))
    slope, offset = metrics.line_through(logits, lost, np.ones(40_000))
    assert (slope, offset) == (pytest.approx(1, abs=0.04), pytest.approx(0, abs=0.05))
    doubled, _ = metrics.line_through(2 * logits, lost, np.ones(40_000))
    assert doubled == pytest.approx(slope / 2, abs=1e-4)


def test_agrees_with_scikit_learn() -> None:
    sk = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    random = np.random.default_rng(2)
    risk, lost = np.round(random.random(500), 2), random.random(500) < 0.2
    one = np.ones(500)
    assert metrics.auc(risk, lost, one) == pytest.approx(sk.roc_auc_score(lost, risk))
    assert metrics.pr_auc(risk, lost, one) == pytest.approx(sk.average_precision_score(lost, risk))
    assert metrics.brier(risk, lost, one) == pytest.approx(sk.brier_score_loss(lost, risk))


def test_a_figure_without_enough_losses_says_so() -> None:
    sample = Sample(np.arange(50), np.arange(50), np.arange(50) < 9)
    figure = Bootstrap(50, 20, 1).figure(sample, lambda _weight: 1.0)
    assert figure.value is None
    assert figure.note == "only 9 losses among 50 renewals: needs 10"


def test_the_same_seed_gives_the_same_interval() -> None:
    random = np.random.default_rng(3)
    lost, risk = random.random(400) < 0.3, random.random(400)
    sample = Sample(np.arange(400), np.arange(400) // 4, lost)
    figures = [
        Bootstrap(100, 50, seed).figure(sample, lambda w: metrics.auc(risk, lost, w))
        for seed in (7, 7, 8)
    ]
    assert figures[0] == figures[1] != figures[2]
    assert figures[0].low < figures[0].value < figures[0].high  # type: ignore[operator]


def sample_of_accounts(accounts: Sequence[int], lost: Sequence[bool]) -> Sample:
    return Sample(np.arange(len(lost)), np.array(accounts), np.array(lost))


def test_ten_entries_of_an_account_that_end_alike_say_as_much_as_one() -> None:
    one_each = sample_of_accounts(range(40), [True] * 8 + [False] * 32)
    ten_each = sample_of_accounts(np.arange(400) // 10, [True] * 80 + [False] * 320)
    once, often = lost_share(one_each), lost_share(ten_each)
    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    assert (once.low, once.high) == pytest.approx((0.105, 0.348), abs=0.001)


@pytest.mark.parametrize("is_lost", [False, True])
def test_where_all_end_alike_each_account_is_one_entry(*, is_lost: bool) -> None:
    figure = lost_share(sample_of_accounts(np.arange(400) // 10, [is_lost] * 400))
    plain = share_figure(40 * is_lost, 40, (40, 40 * is_lost))
    assert (figure.value, figure.low, figure.high) == (plain.value, plain.low, plain.high)


def test_entries_that_vary_within_accounts_say_no_more_than_they_are() -> None:
    lost = [True, True, *[True, False] * 18, False, False]
    figure = lost_share(sample_of_accounts(np.arange(40) // 2, lost))
    plain = share_figure(20, 40, (40, 20))
    assert (figure.low, figure.high) == (plain.low, plain.high)


def test_a_share_has_its_wilson_interval() -> None:
    figure = share_figure(8, 40, (40, 8))
    assert (figure.low, figure.high) == (
        pytest.approx(0.105, abs=0.001),
        pytest.approx(0.348, abs=0.001),
    )
