from datetime import UTC, date, datetime

import pytest

from services.renewals.domain.calendar import day_at, day_begins


def test_a_day_begins_at_local_midnight() -> None:
    assert day_begins(date(2026, 1, 15), "Europe/Berlin") == datetime(2026, 1, 14, 23, tzinfo=UTC)
    assert day_begins(date(2026, 7, 15), "Europe/Berlin") == datetime(2026, 7, 14, 22, tzinfo=UTC)


def test_where_the_clock_skips_midnight_the_day_begins_at_that_instant() -> None:
    begins = day_begins(date(2018, 11, 4), "America/Sao_Paulo")

    assert begins == datetime(2018, 11, 4, 3, tzinfo=UTC)
    assert day_at(begins, "America/Sao_Paulo") == date(2018, 11, 4)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "a\0b"])
def test_an_unknown_zone_counts_as_utc(name: str) -> None:
    assert day_begins(date(2026, 1, 15), name) == datetime(2026, 1, 15, tzinfo=UTC)
