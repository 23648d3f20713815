"""Days as the account lives them: local midnight to local midnight, 23, 24 or 25 hours long."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from shared.kernel.errors import Invalid


class UnknownTimeZone(Invalid):
    """The time zone is not a name of the IANA database, such as Europe/Berlin."""


def checked_time_zone(name: str) -> str:
    """Return the name. Raises `UnknownTimeZone`."""
    if name not in _known():
        raise UnknownTimeZone(field="time_zone")
    return name


def local_day(moment: datetime, time_zone: str) -> date:
    """Return the calendar day on which a moment falls in a zone."""
    return moment.astimezone(ZoneInfo(time_zone)).date()


def days_between(start: datetime, end: datetime, time_zone: str) -> int:
    """Return the calendar days from one moment to a later one; 0 when it is not later."""
    return max(0, (local_day(end, time_zone) - local_day(start, time_zone)).days)


def day_ends_at(day: date, time_zone: str) -> datetime:
    """Return the moment, in UTC, when a calendar day is over in a zone."""
    midnight = datetime.combine(day + timedelta(days=1), time.min, tzinfo=ZoneInfo(time_zone))
    return midnight.astimezone(UTC)


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones())
