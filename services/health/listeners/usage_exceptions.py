"""The exceptional road of usage records: binary mode, corrected events, and refusals."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from services.health.domain.usage.event import InvalidEvent, UsageEvent
from services.health.storage.intake import Rejection
from shared.bus.batches import Record

LONGEST_ID = 256
_LONGEST_RAW = 32 * 1024
# The last one: a value that is nested without end.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def is_binary(record: Record) -> bool:
    """Tell whether the attributes of the event are in the headers (binary mode)."""
    return any(name == "ce_specversion" for name, _ in record.headers)


def as_text(event: UsageEvent) -> bytes:
    """Return an event that was corrected, as it is counted."""
    try:
        return msgspec.json.encode(event.to_cloudevent())
    except (RecursionError, OverflowError):  # nested without end, or numbers without end
        bare = {**event.to_cloudevent(), "data": {"user_id": event.user_id}}
        return msgspec.json.encode(bare)


def rejection_of(event: object, error: InvalidEvent, received_at: datetime) -> Rejection:
    """Return what its sender can read about an event that was refused."""
    attributes = event if isinstance(event, dict) else {}
    return Rejection(
        source=str(attributes.get("source") or "kafka")[:LONGEST_ID].replace("\x00", ""),
        event_id=_event_id(attributes),
        code=error.reason,
        message=error.detail,
        raw=_raw(event),
        received_at=received_at,
    )


def _event_id(attributes: Mapping[str, object]) -> str | None:
    event_id = attributes.get("id")
    # The index over rejections takes no text of any length.
    return event_id.replace("\x00", "")[:LONGEST_ID] or None if isinstance(event_id, str) else None


def _raw(event: object) -> str:
    try:
        return msgspec.json.encode(event).decode()[:_LONGEST_RAW]
    except RecursionError:
        return "nested too deeply to be kept"


def from_binary(record: Record) -> object:
    """Return the CloudEvent of a record in binary mode."""
    attributes: dict[str, object] = {
        name[3:]: value.decode("utf-8", "replace")
        for name, value in record.headers
        if name.startswith("ce_") and value is not None
    }
    try:
        attributes["data"] = msgspec.json.decode(record.value or b"null")
    except UNREADABLE:
        attributes["data"] = None
    return attributes
