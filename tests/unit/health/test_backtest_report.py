"""The page of a back-test: what its charts leave out is said."""

from typing import Any

import pytest

from services.health.usecases.backtest.report import month_chart


def month(number: int) -> dict[str, Any]:
    figure = {"value": 0.2, "low": 0.1, "high": 0.3, "renewals": 90, "losses": 18}
    name = f"{2025 + number // 12}-{number % 12 + 1:02}"
    return {"name": name, "precision": figure, "base_rate": figure}


@pytest.mark.parametrize(("months", "is_cut"), [(14, False), (20, True)])
def test_a_chart_that_has_no_room_for_all_months_says_so(*, months: int, is_cut: bool) -> None:
    drawn = month_chart([month(number) for number in range(months)])
    assert ("the last 14 of 20 months; the table has all" in drawn) is is_cut
    assert (">2025-01<" in drawn) is not is_cut
