"""Scores and bands, whatever is known of an account."""

import math
from collections.abc import Iterable
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.health.domain.score.difference import difference
from services.health.domain.score.score import Band, Evidence, band_after, score_account
from services.health.domain.score.showing import shown_difference, shown_score
from tests.builders.any_evidence import any_evidence
from tests.builders.health import NOW, default_profile

PROFILE = default_profile()

any_score = st.floats(0, 100)
known_band = st.sampled_from([Band.AT_RISK, Band.WATCH, Band.HEALTHY])


@settings(max_examples=60, derandomize=True, deadline=None)
@given(before=any_evidence, after=any_evidence)
def test_points_add_up_to_the_score_and_changes_to_its_difference(
    before: Evidence, after: Evidence
) -> None:
    old, new = (score_account(PROFILE, one, NOW) for one in (before, after))
    assert math.fsum(line.points for line in new.lines) == pytest.approx(new.value, abs=1e-9)
    assert math.fsum(line.max_points for line in new.lines) == pytest.approx(100)
    changed = math.fsum(change.points for change in difference(old, new).changes)
    assert changed == pytest.approx(new.value - old.value, abs=1e-9)
    assert 0 <= new.value <= 100
    assert 0 <= new.coverage <= 1


@settings(max_examples=60, derandomize=True, deadline=None)
@given(before=any_evidence, after=any_evidence)
def test_what_is_shown_adds_up_digit_by_digit(before: Evidence, after: Evidence) -> None:
    raw = [score_account(PROFILE, one, NOW) for one in (before, after)]
    for decimals in (2, 4):
        told = shown_score(raw[1], decimals)
        assert in_decimals(line.points for line in told.lines) == in_decimals([told.value])
    old, new = map(shown_score, raw)
    found = shown_difference(difference(*raw), old, new)
    assert in_decimals([old.value, *(change.points for change in found.changes)]) == in_decimals(
        [new.value]
    )
    assert in_decimals([old.value, found.points]) == in_decimals([new.value])


def in_decimals(values: Iterable[float]) -> Decimal:
    """Add numbers as they are written."""
    return sum((Decimal(repr(value)) for value in values), Decimal(0))


@settings(max_examples=200, derandomize=True, deadline=None)
@given(known_band, any_score, st.floats(-4.99, 4.99))
def test_no_wobble_of_less_than_the_margin_moves_a_band_to_and_fro(
    previous: Band, score: float, wobble: float
) -> None:
    now = band_after(previous, score, 1.0, PROFILE)
    there = band_after(now, score + wobble, 1.0, PROFILE)
    back = band_after(there, score, 1.0, PROFILE)
    assert there is now or back is there


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.none() | st.sampled_from(Band), any_score, st.floats(0, PROFILE.coverage_floor - 1e-9))
def test_too_little_coverage_is_never_red(
    previous: Band | None, score: float, coverage: float
) -> None:
    assert band_after(previous, score, coverage, PROFILE) is Band.UNKNOWN
