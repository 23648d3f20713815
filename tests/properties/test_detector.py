"""The detector, whatever an account does."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.health.domain.detector.gpr import SegmentDay, peer_tally, seal_day
from services.health.domain.detector.state import DayTally
from tests.builders.health import busy_segment, sealed_days

FEW = settings(max_examples=10, derandomize=True, deadline=None)


@FEW
@given(level=st.integers(0, 50), accounts=st.integers(1, 5))
def test_constant_usage_settles_at_a_ratio_of_one(level: int, accounts: int) -> None:
    last = sealed_days(np.full((accounts, 90), float(level)))[-1].result
    # The first day's level is a guess of 1 for everybody; busy segments take weeks to forget it.
    np.testing.assert_allclose(last.ratio, 1.0, atol=0.05)
    assert not last.alarm.any()


@FEW
@given(st.lists(st.lists(st.integers(0, 10_000), min_size=50, max_size=50), min_size=1, max_size=4))
def test_any_counts_give_finite_figures_and_probabilities(counts: list[list[int]]) -> None:
    for day in sealed_days(np.array(counts, dtype=np.float64)):
        assert np.isfinite(day.result.ratio).all()
        assert ((day.result.probability >= 0) & (day.result.probability <= 1)).all()
        assert np.isfinite(day.state.to_rows()).all()
        assert 0 < day.result.peer_factor <= 1


@FEW
@given(cut=st.integers(1, 7), weekday=st.integers(0, 6))
def test_a_segment_sealed_in_pieces_gives_what_it_gives_whole(cut: int, weekday: int) -> None:
    counts = busy_segment(days=50)
    before = sealed_days(counts[:, :49])[-1]
    today = counts[:, 49]
    whole = seal_day(before.state, before.segment, SegmentDay(today, weekday))
    parts = [np.arange(cut), np.arange(cut, 8)]
    pieces = [(before.state.take(part), today[part]) for part in parts]
    tallies = [peer_tally(s, before.segment, SegmentDay(c, weekday)) for s, c in pieces]
    factor = sum(tallies, DayTally()).peer_factor()
    sealed = [
        seal_day(s, before.segment, SegmentDay(c, weekday, peer_factor=factor)) for s, c in pieces
    ]
    rows = [row for piece in sealed for row in piece.state.to_rows()]
    np.testing.assert_allclose(rows, whole.state.to_rows(), rtol=1e-12)
    learned = before.segment.learn(weekday, sum((piece.tally for piece in sealed), DayTally()))
    np.testing.assert_allclose(learned.raw, whole.segment.raw, rtol=1e-12)
