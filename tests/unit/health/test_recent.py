import numpy as np
import pytest

from services.health.domain.detector.recent import RECENT_DAYS, RecentUsage, roll

MONDAY = np.array([0])


def weeks(**changes: float) -> np.ndarray:
    """Ten events a day, the last day at the end; `d3=0` changes the day three before the last."""
    days = np.full((1, RECENT_DAYS), 10.0)
    for name, value in changes.items():
        days[0, RECENT_DAYS - 1 - int(name[1:])] = value
    return days


def test_two_weeks_are_compared_and_an_unknown_day_in_them_says_nothing() -> None:
    seen = RecentUsage.of(weeks(d3=0), MONDAY)
    assert (seen.last_week[0], seen.week_before[0]) == (60, 70)
    assert np.isnan(RecentUsage.of(weeks(d9=np.nan), MONDAY).week_before[0])


def test_silence_is_counted_from_the_last_active_day_and_not_in_unknown_days() -> None:
    quiet = weeks()
    quiet[0, -15:] = 0
    seen = RecentUsage.of(quiet, MONDAY)
    assert (seen.silent_days[0], seen.active_working_days[0], seen.working_days[0]) == (15, 30, 30)
    quiet[0, -5:] = np.nan
    assert RecentUsage.of(quiet, MONDAY).silent_days[0] == 10


def test_who_was_never_active_has_no_habit() -> None:
    seen = RecentUsage.of(np.zeros((1, RECENT_DAYS)), MONDAY)
    assert (seen.silent_days[0], seen.working_days[0]) == (RECENT_DAYS, 0)


def test_so_few_active_days_are_weighed_against_chance() -> None:
    days = np.zeros((3, RECENT_DAYS))
    days[:, -56:-28:3] = 1  # ten days of the month before
    days[1, -28:-20:2] = 1  # four now
    days[2, -40] = np.nan
    seen = RecentUsage.of(days, np.array([0, 0, 0]))
    assert seen.active_before.tolist() == [10, 10, 0]
    assert seen.active_days.tolist() == [0, 4, 0]
    chance = seen.fewer_days_by_chance()
    assert chance[:2] == pytest.approx([0.5**10, 0.0898], abs=1e-4)
    assert chance[2] == 1


def test_new_days_push_old_ones_out() -> None:
    kept = np.arange(RECENT_DAYS, dtype=float)[None, :]
    counts = np.array([[500.0, 501.0, 502.0, 503.0]])
    rolled = roll(kept, counts, (np.array([1]), np.array([2])))
    assert rolled[0, -4:].tolist() == [96, 97, 501, 502]
    assert rolled[0, 0] == 2


def test_a_rebuilt_account_knows_nothing_before_its_first_day() -> None:
    blank = np.full((1, RECENT_DAYS), np.nan)
    rolled = roll(blank, np.array([[1.0, 2.0, 3.0]]), (np.array([0]), np.array([2])))
    assert rolled[0, -3:].tolist() == [1, 2, 3]
    assert np.isnan(rolled[0, :-3]).all()
