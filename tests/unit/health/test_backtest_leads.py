"""Fixed leads: each renewal counts once, at the last landmark that is far enough before it."""

import numpy as np

from services.health.domain.backtest.budget import at_lead
from services.health.domain.backtest.panel import Panel


def panel(*entries: tuple[int, int]) -> Panel:
    """Return entries of (renewal, days before it)."""
    renewal, lead = (np.array(column, dtype=np.int64) for column in zip(*entries, strict=True))
    size = len(renewal)
    nothing = np.zeros(size)
    return Panel(
        inputs=(),
        account=renewal,
        renewal=renewal,
        day=-lead,
        lead=lead,
        is_lost=np.zeros(size, dtype=np.bool_),
        mrr=nothing,
        score=nothing,
        coverage=nothing,
        band=[""] * size,
        segment=[""] * size,
        currency=[""] * size,
        subscores=np.zeros((size, 0)),
    )


def test_of_two_landmarks_a_short_month_apart_the_nearer_one_counts() -> None:
    entries = panel((7, 58), (7, 30), (8, 91), (8, 60), (8, 31), (9, 29))
    assert at_lead(entries, 30, 31).tolist() == [False, True, False, False, True, False]


def test_a_lead_that_nobody_has_is_nobody() -> None:
    assert not at_lead(panel((7, 10)), 30, 31).any()
