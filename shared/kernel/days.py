"""Days as an account lives them: local midnight to local midnight, 23, 24 or 25 hours long."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones


def is_time_zone(name: str) -> bool:
    """Tell whether a text is a name of the IANA database, such as Europe/Berlin."""
    return name in _known()


@lru_cache(maxsize=1024)
def zone_of(name: str) -> tzinfo:
    """Return a time zone by its IANA name; UTC for a name this machine does not know.

    Names are checked where people give them; the one of a fact may be newer than our database,
    and no event may be lost over it.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def local_day(moment: datetime, zone: tzinfo) -> date:
    """Return the calendar day on which a moment falls in a zone.

    Raises ValueError for a time without a zone: guessing one moves events between days.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; pass UTC times")
    return moment.astimezone(zone).date()


def day_begins(day: date, zone: tzinfo) -> datetime:
    """Return the first instant of a day in a zone, in UTC.

    Where the clock skips midnight, that is the instant it skips; where midnight comes twice, the
    first one.
    """
    # A wall time inside a clock change is read with the offset before it (fold=0, PEP 495).
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def day_ends(day: date, zone: tzinfo) -> datetime:
    """Return the first instant after a day in a zone, in UTC.

    A day that a country skipped altogether ends when it begins and holds nothing.
    """
    return day_begins(day + timedelta(days=1), zone)


def days_between(start: datetime, end: datetime, zone: tzinfo) -> int:
    """Return the calendar days from one moment to a later one; 0 when it is not later."""
    return max(0, (local_day(end, zone) - local_day(start, zone)).days)


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones())
