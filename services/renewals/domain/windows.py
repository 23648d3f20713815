"""Windows: 120, 90, 60 and 30 days before the notice date, a renewal is looked at again."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

WINDOWS = (120, 90, 60, 30)


@dataclass(frozen=True, slots=True)
class Window:
    """A window and the day at whose first instant it opens."""

    days: int
    opens_on: date


def window_on(day: date, notice_date: date) -> int | None:
    """Return the window a day lies in: the narrowest that has begun.

    None before the first one, and once the notice date is past.
    """
    left = (notice_date - day).days
    return min((days for days in WINDOWS if 0 <= left <= days), default=None)


def windows_to_open(notice_date: date, today: date, opened: Collection[int]) -> tuple[Window, ...]:
    """Return the windows that are still to open, widest first.

    Of those whose day has come only the latest counts. ``opened``: days of the windows that have
    opened for this notice date; no wider one opens after them.
    """
    current = window_on(today, notice_date)
    widest = min(opened, default=WINDOWS[0] + 1)
    windows = (Window(days, notice_date - timedelta(days=days)) for days in WINDOWS)
    return tuple(
        window
        for window in windows
        if window.days < widest and (window.days == current or window.opens_on > today)
    )
