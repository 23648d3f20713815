"""The members of an event: what they may hold, and how what they may not is refused."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.kernel.errors import Invalid

LONGEST_NAME = 200
LONGEST_ID = 256
DEEPEST = 100
SURELY_FLAT = 50
"""An event with no more brackets than this needs no look at how deep they are nested."""

_LARGEST_NUMBER = 2**63
_BEYOND_MICROSECONDS = re.compile(r"[.,]\d{6}(\d)")
_MICROSECOND = timedelta(microseconds=1)
_KINDS: Mapping[type, str] = {dict: "this object", list: "this array"}


class InvalidEvent(Invalid):
    """The event cannot be counted as it is."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = code


def text(message: Mapping[str, Any], name: str, *, longest: int = LONGEST_NAME) -> str:
    """Return a text that must be there and not be empty. Raises `InvalidEvent`."""
    value = message.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InvalidEvent(f"missing_{name}", f"{name} must be a text that is not empty.")
    return short(value, name, longest=longest)


def user(message: Mapping[str, Any], *names: str) -> str | None:
    """Return the first user id among the named members; a number counts as its digits.

    Raises `InvalidEvent` for what is there and no id: without its user an event would still count.
    """
    given = next((name for name in names if message.get(name) not in (None, "")), None)
    if given is None:
        return None
    found = as_id(message[given])
    if found is None or not found.strip():
        raise InvalidEvent(
            f"invalid_{given}",
            f"{shown(message[given])} cannot be a user id: send a text, a whole number, or null.",
        )
    return short(found, given, longest=LONGEST_ID)


def members(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object that may be left out. Raises `InvalidEvent` for anything else.

    An empty array is an empty object: PHP writes both alike.
    """
    value = message.get(name)
    if value in (None, "", []):
        return {}
    if not isinstance(value, dict):
        raise InvalidEvent(f"invalid_{name}", f"{name} must be an object, not {shown(value)}.")
    return value


def read_time(value: object) -> datetime:
    """Read an RFC 3339 time. Raises `InvalidEvent`, also for a number: its unit is unknown."""
    try:
        # A number as text may read like a date.
        time = _from_text(value if isinstance(value, str) else "")
    except (ValueError, OverflowError):
        raise InvalidEvent(
            "invalid_timestamp",
            f"{shown(value)} is not an RFC 3339 time like 2026-01-31T12:00:00Z.",
        ) from None
    try:
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise InvalidEvent("invalid_timestamp", f"{shown(value)} is out of range.") from None


def _from_text(value: str) -> datetime:
    """Read a time as the decoder of the fast road does: in either case, and rounded.

    Else an event a moment before midnight would be on another day by another road.
    """
    time = datetime.fromisoformat(value.upper())
    beyond = _BEYOND_MICROSECONDS.search(value)
    return time + _MICROSECOND if beyond and beyond[1] >= "5" else time


def as_id(value: object) -> str | None:
    """Return an id as text: many backends send the number their database gave."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_NUMBER:
        return str(value)
    return None


def short(value: str, name: str, *, longest: int = LONGEST_NAME) -> str:
    """Return a text that is neither too long nor unprintable. Raises `InvalidEvent`."""
    if len(value) > longest:
        raise InvalidEvent(f"invalid_{name}", f"{name} is longer than {longest} characters.")
    if "\x00" in value or not value.isprintable():
        raise InvalidEvent(f"invalid_{name}", f"{name} holds characters that cannot be printed.")
    return value


def shown(value: object) -> str:
    """Return how a value is shown to who sent it, however large it is."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    is_plain = isinstance(value, (str, float)) or as_id(value) is not None
    return repr(value)[:80] if is_plain else _KINDS.get(type(value), "this number")


def check_storable(message: object) -> None:
    """Raise `InvalidEvent` for what could not be kept or sent on: endless nesting, and NULs."""
    level = [message]
    for _ in range(DEEPEST):
        if any(isinstance(part, str) and "\x00" in part for part in level):
            raise InvalidEvent("invalid_text", "The event holds NUL characters; remove them.")
        level = [inner for part in level for inner in _inside(part)]
        if not level:
            return
    raise InvalidEvent("too_deep", f"The event is nested deeper than {DEEPEST} levels.")


def _inside(part: object) -> Iterable[object]:
    if isinstance(part, dict):
        return [*part, *part.values()]
    return part if isinstance(part, list) else ()
