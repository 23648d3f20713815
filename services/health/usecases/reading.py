"""Reading one event, on whatever road it came: the same rules, and the same words of refusal."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from services.health.domain.usage.event import (
    LARGEST_EVENT,
    LONGEST_ID,
    SURELY_FLAT,
    Call,
    InvalidEvent,
    Reception,
    check_storable,
)
from services.health.storage.intake import Rejection

# The last one: a value that is nested without end.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
Read = Callable[[object, Reception], Call]
_Found = TypeVar("_Found", bound=Call)
_NUL = b"\\u0000"


def read_event(
    raw: bytes, reception: Reception, read: Callable[[object, Reception], _Found]
) -> _Found:
    """Read the JSON text of an event. Raises `InvalidEvent` with a code and what to do."""
    if len(raw) > LARGEST_EVENT:
        message = f"The event has {len(raw)} bytes; 32 KiB are the most."
        raise InvalidEvent("event_too_large", message)
    try:
        message = msgspec.json.decode(raw)
    except RecursionError:
        raise InvalidEvent("too_deep", "The event is nested without end.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidEvent("invalid_json", f"The event cannot be read: {error}.") from None
    if may_be_unstorable(raw):
        check_storable(message)
    return read(message, reception)


def may_be_unstorable(raw: bytes) -> bool:
    """Tell whether an event may hold NULs, or values nested beyond the limit."""
    return _NUL in raw or raw.count(b"[") + raw.count(b"{") > SURELY_FLAT


def rejection_of(raw: bytes, error: InvalidEvent, reception: Reception) -> Rejection:
    """Return a refused event as it is kept."""
    message = _decoded_or_none(raw)
    return Rejection(
        source=_source_of(message, reception),
        event_id=_id_of(message),
        code=error.reason,
        message=error.detail,
        raw=raw[:LARGEST_EVENT].decode("utf-8", "replace").replace("\x00", ""),
        received_at=reception.received_at,
    )


def _decoded_or_none(raw: bytes) -> object:
    try:
        return msgspec.json.decode(raw)
    except UNREADABLE:
        return None


def _id_of(message: object) -> str | None:
    if not isinstance(message, Mapping):
        return None
    found = message.get("messageId") or message.get("uuid") or message.get("id")
    # The index over rejections takes no text of any length.
    return found.replace("\x00", "")[:LONGEST_ID] or None if isinstance(found, str) else None


def _source_of(message: object, reception: Reception) -> str:
    """Return who sent an event: its key, or a CloudEvent itself. A record has no key."""
    named = ""
    if isinstance(message, Mapping) and ("specversion" in message or not reception.source):
        source = message.get("source")
        named = source.replace("\x00", "")[:LONGEST_ID] if isinstance(source, str) else ""
    return named or reception.source or "kafka"
