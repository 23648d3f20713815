"""The file of the demo's history."""

from datetime import date
from pathlib import Path

from tenure.demo.cast import customers
from tenure.demo.history import write_history
from tenure.demo.usage import Calendar, uses

MONDAY = date(2026, 3, 2)


def test_history_holds_every_event_once(tmp_path: Path) -> None:
    calendar, cast = Calendar(MONDAY), customers()[:2]
    events = write_history(tmp_path / "history.csv", cast, calendar)
    days = calendar.history
    assert events == sum(len(list(uses(each, day, calendar))) for each in cast for day in days)
