"""Which days came in late: after they were sealed."""

import numpy as np
import pytest

from services.health.domain.detector.late import late_days

NAN = np.nan


@pytest.mark.parametrize(
    ("before", "after", "moved", "late"),
    [
        ([4, 4, 0, 4], [4, 4, 4, 4], 0, [2]),
        ([4, 4, 4, 4], [4, 5, 4, 0], 0, [3]),
        ([4, 2, 1, 0], [4, 4, 3, 1], 0, [2, 3]),
        # What was not sealed before is not late, whatever it is.
        ([4, 4, 4, 0], [4, 4, 9, 9], 2, [1]),
        # Before it began there was nothing, nor while monitoring was suspended.
        ([NAN, NAN, 4, 4], [0, 4, 4, 4], 0, [1]),
        ([4, 4, 4, 4], [4, 4, NAN, 4], 0, []),
        ([4, 4, 4, 4], [9, 9, 9, 9], 9, []),
    ],
)
def test_a_day_is_late_when_more_than_half_of_it_is_new_or_gone(
    before: list[float], after: list[float], moved: int, late: list[int]
) -> None:
    found = late_days(np.array([before]), np.array([after], dtype=float), np.array([moved]))
    assert list(np.flatnonzero(found[0])) == late


def test_accounts_have_each_their_own_last_day() -> None:
    before = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 0.0]])
    after = np.array([[2.0, 3.0, 9.0], [1.0, 2.0, 3.0]])
    found = late_days(before, after, np.array([1, 0]))
    assert found.tolist() == [[False, False, False], [False, False, True]]
