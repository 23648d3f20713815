from itertools import pairwise

import numpy as np
import pytest

from services.health.domain.detector.gpr import (
    SegmentDay,
    accept_new_normal,
    seal_day,
)
from services.health.domain.detector.state import (
    FLOATS_PER_ACCOUNT,
    DetectorState,
    Floats,
    SegmentState,
)
from tests.builders.health import busy_segment, sealed_days


def test_the_same_counts_give_the_same_states() -> None:
    counts = busy_segment()
    assert sealed_days(counts)[-1].state.to_rows() == sealed_days(counts)[-1].state.to_rows()


def test_a_later_time_zone_meets_the_peers_already_sealed() -> None:
    counts = busy_segment(days=50)
    before = sealed_days(counts[:, :49])[-1]
    whole = seal_day(before.state, before.segment, SegmentDay(counts[:, 49], 0))
    east, west = np.arange(3), np.arange(3, 8)
    first = seal_day(before.state.take(east), before.segment, SegmentDay(counts[east, 49], 0))
    second = seal_day(
        before.state.take(west),
        before.segment,
        SegmentDay(counts[west, 49], 0, earlier=first.tally),
    )
    assert second.result.peer_factor == pytest.approx(whole.result.peer_factor)
    np.testing.assert_allclose(second.result.ratio, whole.result.ratio[west], rtol=1e-12)


def test_sealing_one_late_account_again_with_the_stored_factor_repeats_its_day() -> None:
    counts = busy_segment(days=50)
    before = sealed_days(counts[:, :49])[-1]
    whole = seal_day(before.state, before.segment, SegmentDay(counts[:, 49], 0))
    again = seal_day(
        before.state.take([5]),
        before.segment,
        SegmentDay(counts[[5], 49], 0, peer_factor=whole.result.peer_factor),
    )
    assert again.state.to_rows() == [whole.state.to_rows()[5]]
    assert again.segment == before.segment


def test_a_newcomer_has_its_own_age_and_does_not_vote_in_its_first_fortnight() -> None:
    counts = busy_segment(days=60)
    before = sealed_days(counts)[-1]
    with_newcomer = before.state.joined(DetectorState.fresh(1))
    today = counts[:, 0]
    alone = seal_day(before.state, before.segment, SegmentDay(today, 4))
    joined = seal_day(with_newcomer, before.segment, SegmentDay(np.append(today, 900.0), 4))
    assert joined.result.peer_factor == alone.result.peer_factor
    assert joined.state.age.tolist() == [61.0] * 8 + [1.0]
    assert joined.result.ready.tolist() == [True] * 8 + [False]


def test_the_first_day_of_a_busy_newcomer_does_not_bend_the_weekday_shape() -> None:
    before = sealed_days(busy_segment(days=60))[-1]
    today = busy_segment(days=60)[:, 0]
    with_newcomer = before.state.joined(DetectorState.fresh(1))
    alone = seal_day(before.state, before.segment, SegmentDay(today, 4))
    joined = seal_day(with_newcomer, before.segment, SegmentDay(np.append(today, 9000.0), 4))
    assert joined.segment == alone.segment


@pytest.mark.parametrize("weekday", [0, 3])
def test_a_segment_that_begins_in_one_day_knows_that_weekday_as_any_other(weekday: int) -> None:
    sealed = sealed_days(busy_segment(accounts=20, days=42)[:, weekday:])
    shape = np.array(sealed[-1].segment.weekday_shape())
    assert (abs(shape - 1) < 0.15).all()
    factors = np.array([day.result.peer_factor for day in sealed[21:]])
    assert (factors > 0.8).all()


def test_a_drop_of_one_account_raises_an_alarm_once_in_four_weeks() -> None:
    counts = np.full((6, 120), 20.0)
    counts[0, 80:] = 4.0
    alarms = [number for number, day in enumerate(sealed_days(counts)) if day.result.alarm[0]]
    assert 80 < alarms[0] <= 94
    assert all(later - earlier >= 28 for earlier, later in pairwise(alarms))


def test_a_holiday_of_the_whole_segment_raises_no_alarm() -> None:
    counts = np.full((12, 100), 20.0)
    counts[:, 80:90] = 4.0
    assert not any(day.result.alarm.any() for day in sealed_days(counts))


def test_a_silent_week_in_a_gap_of_days_lowers_the_ratio_every_day() -> None:
    counts = np.full((6, 90), 20.0)
    counts[0, 80:87] = 0.0
    ratios = [day.result.ratio[0] for day in sealed_days(counts)[79:87]]
    assert ratios == sorted(ratios, reverse=True)


def test_a_suspended_account_keeps_its_state_while_others_are_sealed() -> None:
    state = sealed_days(busy_segment())[-1].state
    active = np.arange(1, 8)
    sealed = seal_day(state.take(active), SegmentState(), SegmentDay(np.zeros(7), 2)).state
    after = state.put(active, sealed)
    assert after.to_rows()[0] == state.to_rows()[0]
    assert after.to_rows()[1:] == sealed.to_rows()


def test_an_accepted_new_normal_is_a_ratio_of_one_and_stays_quiet() -> None:
    counts = np.full((6, 100), 20.0)
    counts[0, 80:] = 8.0
    dropped = sealed_days(counts)[-1]
    assert dropped.result.ratio[0] < 0.6
    after = accept_new_normal(dropped.state)
    for weekday in range(7):
        day = seal_day(after, dropped.segment, SegmentDay(counts[:, -1], weekday))
        after = day.state
        assert day.result.probability[0] < 0.69
    assert day.result.ratio[0] > 0.75


def test_states_survive_storage_as_lists_of_numbers() -> None:
    state = sealed_days(busy_segment())[-1].state
    rows = state.to_rows()
    assert {len(row) for row in rows} == {FLOATS_PER_ACCOUNT}
    assert DetectorState.from_rows(rows).to_rows() == rows
    assert len(DetectorState.fresh(0)) == 0


def test_a_row_of_another_length_is_refused_with_advice() -> None:
    with pytest.raises(ValueError, match="rebuild it from daily counts"):
        DetectorState.from_rows([[1.0, 2.0]])


@pytest.mark.parametrize("counts", [[-1.0], [np.nan], [1.0, 2.0]])
def test_counts_that_cannot_be_are_refused(counts: list[float]) -> None:
    with pytest.raises(ValueError, match="counts"):
        seal_day(DetectorState.fresh(1), SegmentState(), SegmentDay(np.array(counts), 0))


def test_an_empty_segment_learns_nothing() -> None:
    sealed = seal_day(DetectorState.fresh(0), SegmentState(), SegmentDay(np.array([]), 0))
    assert sealed.segment == SegmentState()


def weekend_shops(days: int = 210) -> Floats:
    """Return six accounts of a working week, then two of weekends and one of Mondays."""
    working = np.array([1.3, 1.3, 1.3, 1.3, 1.2, 0.3, 0.3])
    weekend, monday = np.array([0.0] * 5 + [3.5] * 2), np.array([7.0] + [0.0] * 6)
    habits = np.array([working] * 6 + [weekend] * 2 + [monday])
    levels = np.array([4, 8, 16, 4, 8, 16, 4, 14, 6])[:, None]
    return np.random.default_rng(3).poisson(levels * np.tile(habits, days // 7)) * 1.0


def test_whoever_never_comes_on_a_weekday_misses_nothing_on_it() -> None:
    sealed = sealed_days(weekend_shops(), alarm_at=0.8)
    assert not any(day.result.alarm.any() for day in sealed)
    assert min(day.result.ratio[6:].min() for day in sealed[60:]) > 0.7


def test_a_drop_of_whoever_comes_at_weekends_is_found() -> None:
    counts = weekend_shops()
    counts[6:8, 140:] = np.floor(counts[6:8, 140:] * 0.3)
    alarms = [day.result.alarm for day in sealed_days(counts, alarm_at=0.8)]
    assert np.array(alarms[140:168]).any(axis=0).tolist() == [False] * 6 + [True] * 2 + [False]
