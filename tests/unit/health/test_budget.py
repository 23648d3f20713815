from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest

from services.health.domain.detector.budget import (
    GRID,
    MIN_ACCOUNT_MONTHS,
    AlarmLedger,
    Tally,
    at_threshold,
    band_name,
    band_of,
    calibrate,
    p_star_of,
)

MARCH = date(2026, 3, 1)


def tally(account_months: float, at: dict[float, float]) -> Tally:
    """Alarms by threshold: as many at every threshold up to each of these."""
    openings = np.zeros(len(GRID))
    for threshold, alarms in at.items():
        openings[: GRID.index(threshold) + 1] += alarms
    return Tally(account_months * 365.25 / 12, openings)


def alarms_at(path: list[float], threshold: float) -> int:
    """How often a path of peaks passes a threshold from below."""
    return sum(a < threshold <= b for a, b in pairwise(path))


def test_bands_are_events_a_week_and_have_names() -> None:
    a_week = np.array([0, 9.9, 10, 29, 30, 999, 1000, 1e6])
    assert band_of(a_week / 7).tolist() == [0, 0, 1, 1, 2, 4, 5, 5]
    assert [band_name(n) for n in (0, 1, 5)] == [
        "under 10 a week",
        "10 to 30 a week",
        "1000 a week and more",
    ]


def test_every_threshold_is_counted_as_often_as_the_peak_passes_it() -> None:
    random = np.random.default_rng(2)
    paths = random.choice([0.0, 0.3, 0.55, 0.8, 0.93, 0.9985], (30, 50))
    ledger = AlarmLedger()
    for n in range(1, 50):
        ledger.note(MARCH + timedelta(days=n % 28), np.full(30, 5.0), paths[:, n - 1], paths[:, n])
    counted = ledger.tallies[2, MARCH]
    assert counted.account_days == 30 * 49
    for threshold in (0.5, 0.55, 0.8, 0.95, 0.998, 0.999):
        expected = sum(alarms_at(path, threshold) for path in paths.tolist())
        assert counted.openings[GRID.index(threshold)] == expected, threshold


def test_too_little_usage_is_not_counted() -> None:
    ledger = AlarmLedger()
    ledger.note(MARCH, np.array([0.5]), np.array([0.0]), np.array([0.99]))
    assert ledger.tallies == {}


def test_the_lowest_threshold_that_keeps_to_the_budget_is_chosen() -> None:
    months = {MARCH: tally(500, {0.6: 10, 0.7: 10, 0.9: 6})}
    chosen = calibrate(1, months, 2.0, 0.8)
    assert (chosen.p_star, chosen.alarms, chosen.is_calibrated) == (0.71, 6, True)
    assert chosen.alarms_per_100_a_month == pytest.approx(1.2)
    assert calibrate(1, months, 4.0, 0.8).p_star == 0.61
    assert calibrate(1, months, 100.0, 0.8).p_star == GRID[0]


def test_a_budget_that_no_threshold_keeps_takes_the_highest() -> None:
    chosen = calibrate(1, {MARCH: tally(300, {0.999: 50})}, 2.0, 0.8)
    assert (chosen.p_star, chosen.alarms) == (0.999, 50)


def test_with_too_little_history_the_start_value_holds_and_says_so() -> None:
    few = {MARCH: tally(MIN_ACCOUNT_MONTHS - 1, {0.9: 100})}
    chosen = calibrate(1, few, 2.0, 0.8)
    assert (chosen.p_star, chosen.is_calibrated, chosen.alarms) == (0.8, False, 100)
    assert calibrate(1, {}, 2.0, 0.8).alarms_per_100_a_month == 0
    assert at_threshold(1, few, 0.95).alarms == 0


def test_an_account_is_held_to_the_threshold_of_its_volume() -> None:
    found = p_star_of(np.array([0.1, 2.0, 400.0]), [0.5, 0.6, 0.7, 0.8, 0.9])
    assert found.tolist() == [2.0, 0.5, 0.9]
