from datetime import date, timedelta

import pytest

from services.renewals.domain.windows import window_on, windows_to_open

NOTICE = date(2026, 10, 2)


def days_before(days: int) -> date:
    return NOTICE - timedelta(days=days)


@pytest.mark.parametrize(
    ("left", "window"),
    [(121, None), (120, 120), (91, 120), (90, 90), (31, 60), (30, 30), (0, 30), (-1, None)],
)
def test_a_day_lies_in_the_narrowest_window_that_has_begun(left: int, window: int | None) -> None:
    assert window_on(days_before(left), NOTICE) == window


def test_all_windows_lie_ahead_of_a_contract_signed_early() -> None:
    windows = windows_to_open(NOTICE, days_before(200), set())

    assert [window.days for window in windows] == [120, 90, 60, 30]
    assert [window.opens_on for window in windows] == [days_before(d) for d in (120, 90, 60, 30)]


def test_a_contract_imported_inside_a_window_opens_only_the_latest() -> None:
    windows = windows_to_open(NOTICE, days_before(70), set())

    assert [window.days for window in windows] == [90, 60, 30]


def test_a_window_that_opened_does_not_open_again() -> None:
    windows = windows_to_open(NOTICE, days_before(70), {90})

    assert [window.days for window in windows] == [60, 30]


def test_no_wider_window_opens_after_a_narrower_one() -> None:
    assert windows_to_open(NOTICE, days_before(61), {60}) == windows_to_open(
        NOTICE, days_before(59), {60}
    )


def test_nothing_opens_once_the_notice_date_is_past() -> None:
    assert windows_to_open(NOTICE, days_before(-1), set()) == ()
