"""Days of an account: from local midnight to local midnight, 23 to 25 hours."""

from datetime import UTC, date, datetime, time, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone_of(name: str) -> tzinfo:
    """Return a time zone by its IANA name; UTC for a name this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def day_at(moment: datetime, time_zone: str) -> date:
    """Return the day it is in a zone."""
    return moment.astimezone(zone_of(time_zone)).date()


def day_begins(day: date, time_zone: str) -> datetime:
    """Return the first instant of a day in a zone, in UTC.

    Where the clock skips midnight, that is the instant it skips.
    """
    return datetime.combine(day, time.min, tzinfo=zone_of(time_zone)).astimezone(UTC)
