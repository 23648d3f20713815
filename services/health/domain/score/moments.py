"""Earlier moments as people say them: a date, a weekday, so long ago, before the last change."""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo

from shared.kernel.days import day_begins, local_day
from shared.kernel.errors import Invalid

LAST_CHANGE = "last-change"
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SPAN = re.compile(r"([0-9]{1,4})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]")
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class MomentUnclear(Invalid):
    """The moment is not one we understand."""


class MomentInFuture(Invalid):
    """The moment lies in the future."""


def parse_moment(said: str, now: datetime, zone: tzinfo) -> datetime | None:
    """Return the moment that a text means; None for the last change, which history knows.

    A date or a weekday means its first instant in the account's time zone; a weekday is the last
    one before today. Raises `MomentUnclear` and `MomentInFuture`.
    """
    word = said.strip().lower()
    if word == LAST_CHANGE:
        return None
    moment = _word(word, now, zone) or _written(said.strip(), zone)
    if moment is None:
        raise MomentUnclear(
            f"{said[:60]!r} is not a moment: write a date (2026-03-10), a time with its zone "
            "(2026-03-10T09:00:00Z), yesterday, a weekday, 12h, 7d, 2w or last-change",
            said=said[:60],
        )
    if moment > now:
        raise MomentInFuture(f"{said[:60]!r} lies in the future; ask for a moment that has been")
    return max(moment, _EARLIEST)


def _word(word: str, now: datetime, zone: tzinfo) -> datetime | None:
    today = local_day(now, zone)
    if word == "today":
        return day_begins(today, zone)
    if word == "yesterday":
        return day_begins(today - timedelta(days=1), zone)
    if word in _WEEKDAYS:
        back = (today.weekday() - _WEEKDAYS.index(word) - 1) % 7 + 1
        return day_begins(today - timedelta(days=back), zone)
    span = _SPAN.fullmatch(word)
    return now - timedelta(hours=int(span[1]) * _HOURS[span[2]]) if span else None


def _written(said: str, zone: tzinfo) -> datetime | None:
    try:
        if _DAY.fullmatch(said):
            return _begin(date.fromisoformat(said), zone)
        moment = datetime.fromisoformat(said) if _TIME.match(said) else None
    except (ValueError, OverflowError):
        hint = (
            " (write the + of an offset as %2B in a URL)"
            if re.search(r" \d\d:?\d\d$", said)
            else ""
        )
        raise MomentUnclear(f"{said[:60]!r} is not a date or time of the calendar{hint}") from None
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise MomentUnclear(f"{said[:60]!r} has no time zone; add Z or an offset such as +01:00")
    # Offsets at the very ends of the calendar lead out of it.
    return moment if 1 < moment.year < 9999 else _EARLIEST if moment.year <= 1 else None


def _begin(day: date, zone: tzinfo) -> datetime | None:
    return day_begins(day, zone) if 1 < day.year < 9999 else None
