"""Days as an account lives them: local midnight to local midnight, 23, 24 or 25 hours long."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def local_day(event_time: datetime, zone: ZoneInfo) -> date:
    """Return the account's calendar day on which something happened.

    Raises ValueError for a time without a zone: guessing one moves events between days.
    """
    return _aware(event_time).astimezone(zone).date()


def day_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the first moment of the day and the first moment after it, both in UTC.

    Where clocks skip midnight, the day starts at the change. A day that a country skipped
    altogether has equal bounds and holds nothing.
    """
    return _midnight(day, zone), _midnight(day + timedelta(days=1), zone)


def is_closed(day: date, zone: ZoneInfo, now: datetime, grace: timedelta) -> bool:
    """Say whether the day is over for the account and its late events had `grace` to arrive."""
    return _aware(now) >= day_bounds(day, zone)[1] + grace


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    # A wall time inside a clock change is read with the offset before it (fold=0, PEP 495):
    # the instant of the change for a skipped midnight, the first one for a repeated midnight.
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; pass UTC times")
    return moment
