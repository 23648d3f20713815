from datetime import date, timedelta

import pytest

from services.health.domain.detector.decisions import Decision, DecisionKind
from services.health.domain.detector.peers import PeerDay, is_segment_down, peer_level

MONDAY = date(2026, 3, 2)


def days(*factors: float, voters: int = 8) -> list[PeerDay]:
    """Days from a Monday on, with these factors."""
    return [
        PeerDay(MONDAY + timedelta(days=n), g, voters=voters, observed=95 * g, expected=95)
        for n, g in enumerate(factors)
    ]


def test_peers_are_told_by_their_whole_week() -> None:
    week = days(1, 1, 1, 1, 1, 0.1, 0.1)
    assert peer_level(week, 60).level == pytest.approx((5 + 95 * 5.2) / (5 + 95 * 7))
    assert peer_level([*days(0.1), *week], 60).level == peer_level(week, 60).level


def test_what_is_said_of_others_leaves_out_whom_it_is_said_to() -> None:
    five_at_normal_and_one_silent = days(*[5 / 6] * 7, voters=6)
    level = peer_level(five_at_normal_and_one_silent, 60)
    assert level.level == pytest.approx(0.834, abs=0.001)
    others = level.of_others(95 / 6, ratio=0.0)
    assert (others.level, others.voters) == (pytest.approx(1.0), 5)
    assert peer_level(days(*[1] * 3), 60).of_others(95 / 6, ratio=0.0).level is None


def test_peers_are_told_against_what_is_usual_for_them() -> None:
    steady = days(*[0.88] * 63)
    assert peer_level(steady, 90).level == pytest.approx(1.0)
    halved = peer_level([*steady[:-7], *days(*[0.44] * 7)], 90)
    assert halved.level == pytest.approx(0.5, abs=0.01)
    assert halved.of_others(95 / 8, ratio=0.44 / 0.88).level == pytest.approx(0.5, abs=0.01)
    quiet_weeks = [*days(*[0.88] * 42), *days(*[0.4] * 14), *days(*[0.88] * 7)]
    assert peer_level(quiet_weeks, 90).level == pytest.approx(1.0)
    assert peer_level(days(*[1.3] * 56, *[1.0] * 7), 90).level == pytest.approx(1.0)


def test_few_peers_or_a_young_group_are_not_told_at_all() -> None:
    assert peer_level(days(*[1] * 7, voters=4), 60).level is None
    assert peer_level(days(*[1] * 7), 27).level is None
    assert peer_level(days(*[1] * 6), 60).level is None


def test_five_working_days_under_80_percent_are_an_alarm_weekends_do_not_count() -> None:
    assert is_segment_down(days(*[0.7] * 5), was_down=False)
    assert is_segment_down(days(0.9, 0.7, 0.7, 0.7, 0.7, 1, 1, 0.7), was_down=False)
    assert not is_segment_down(days(*[0.7] * 4), was_down=False)
    assert not is_segment_down(days(0.7, 0.7, 0.81, 0.7, 0.7, 0.1, 0.1), was_down=False)


def test_a_segment_is_back_after_three_working_days() -> None:
    assert is_segment_down(days(0.7, 0.7, 0.7, 0.9, 0.9), was_down=True)
    assert not is_segment_down(days(0.7, 0.7, 0.9, 0.9, 0.9), was_down=True)


def test_a_decision_holds_on_its_days_and_on_no_others() -> None:
    gap = Decision(DecisionKind.KNOWN_GAP, MONDAY, MONDAY + timedelta(days=1), "holiday")
    assert [gap.suspends(MONDAY + timedelta(days=n)) for n in (-1, 0, 1, 2)] == [
        False,
        True,
        True,
        False,
    ]
    assert Decision(DecisionKind.SUSPENSION, MONDAY, None, "").suspends(date(2030, 1, 1))
    normal = Decision(DecisionKind.NEW_NORMAL, MONDAY, None, "")
    assert normal.rebases(MONDAY)
    assert not normal.suspends(MONDAY)
