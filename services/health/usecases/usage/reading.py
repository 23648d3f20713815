"""Reading one event, on whatever road it came: the same rules, and the same words of refusal."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import msgspec

from services.health.domain.usage.event import LARGEST_EVENT, Call, Reception, UsageEvent
from services.health.domain.usage.members import (
    LONGEST_ID,
    SURELY_FLAT,
    InvalidEvent,
    check_storable,
)
from services.health.storage.usage.intake import Rejection

# The last one: a value that is nested without end.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What some editors and shells put before UTF-8: no part of the JSON."""

Read = Callable[[object, Reception], Call]
_Found = TypeVar("_Found", bound=Call)
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_NUL = b"\\u0000"
_SURELY_SMALL = LARGEST_EVENT // 8
"""What has no more bytes cannot grow beyond the limit: `1e15` becomes six times as long."""


def read_event(
    raw: bytes, reception: Reception, read: Callable[[object, Reception], _Found]
) -> _Found:
    """Read the JSON text of an event. Raises `InvalidEvent` with a code and what to do."""
    if len(raw) > LARGEST_EVENT:
        raise _too_large(f"The event has {len(raw)} bytes")
    try:
        message = msgspec.json.decode(raw)
    except RecursionError:
        raise InvalidEvent("too_deep", "The event is nested without end.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"The event cannot be read: {unreadable(raw, error)}."
        raise InvalidEvent("invalid_json", message) from None
    if may_be_unstorable(raw):
        check_storable(message)
    return read(message, reception)


def read_arriving(
    raw: bytes, reception: Reception, read: Callable[[object, Reception], _Found]
) -> _Found:
    """Read an event that has not travelled yet. Raises `InvalidEvent` as `read_event` does.

    Usage must be small enough in the form in which it travels as well: that one has a source and a
    time, and `1e15` is written out. It is looked at again where it is counted.
    """
    call = read_event(raw, reception, read)
    if len(raw) > _SURELY_SMALL and isinstance(call, UsageEvent):
        size = len(msgspec.json.encode(call.to_cloudevent()))
        if size > LARGEST_EVENT:
            raise _too_large(f"As it travels the event has {size} bytes")
    return call


def _too_large(what: str) -> InvalidEvent:
    return InvalidEvent("event_too_large", f"{what}; 32 KiB are the most.")


def unreadable(raw: bytes, error: Exception) -> str:
    """Return why a text cannot be read as JSON, in words that say what to do."""
    if b"\x00" in raw[:4]:
        return "it is in UTF-16 or UTF-32; send UTF-8"
    if isinstance(error, UnicodeDecodeError):
        return "it is not in UTF-8; send UTF-8"
    if _is_one_a_line(raw):
        return "it has one event a line; POST such a body to /v1/bulk"
    return str(error)


def _is_one_a_line(raw: bytes) -> bool:
    first, _, others = raw.strip().partition(b"\n")
    return bool(others) and isinstance(_decoded_or_none(first), dict)


def may_be_unstorable(raw: bytes) -> bool:
    """Tell whether an event may hold NULs, or values nested beyond the limit."""
    return _NUL in raw or raw.count(b"[") + raw.count(b"{") > SURELY_FLAT


def split(raw: bytes) -> list[msgspec.Raw]:
    """Take an array of events apart, each as it was sent. Raises one of `UNREADABLE`.

    What only Python or JavaScript take for JSON (NaN, half a surrogate) spoils its event alone.
    """
    try:
        return _decode_array(raw)
    except UNREADABLE:
        found = loosely(raw)
        if not isinstance(found, list):
            raise
        return [as_sent(event) for event in found]


def loosely(raw: bytes) -> object:
    """Read what encoders make that are looser than JSON; None for what nobody can read."""
    try:
        return json.loads(raw.decode())
    except (ValueError, RecursionError):
        return None


def as_sent(loose: object) -> msgspec.Raw:
    """Write again what was read loosely, as loose as it was."""
    try:
        return msgspec.Raw(_dump(loose, ensure_ascii=False).encode())
    except UnicodeEncodeError:  # half a surrogate is nothing but an escape
        return msgspec.Raw(_dump(loose).encode())


_dump = partial(json.dumps, separators=(",", ":"))


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
