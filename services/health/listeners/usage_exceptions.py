"""The exceptional road of usage records: binary mode, arrays taken apart, corrected events."""

from collections.abc import Sequence

import msgspec

from services.health.domain.usage.event import UsageEvent
from services.health.usecases.usage.cloudevents import from_binary
from services.health.usecases.usage.reading import BYTE_ORDER_MARK, split
from shared.bus.batches import Record

_decode_any = msgspec.json.Decoder().decode


def is_binary(record: Record) -> bool:
    """Tell whether the attributes of the event are in the headers (binary mode)."""
    return any(name == "ce_specversion" for name, _ in record.headers)


def texts_of(record: Record) -> Sequence[bytes]:
    """Return the JSON text of each event of a record. Raises one of `UNREADABLE`."""
    value = record.value or b""
    if is_binary(record):
        return [_from_binary(record, value)]
    value = value.removeprefix(BYTE_ORDER_MARK)
    if value.lstrip()[:1] == b"[":
        return [bytes(event) for event in split(value)]
    _decode_any(value)
    return [value]


def as_text(event: UsageEvent) -> bytes:
    """Return an event that was corrected, as it is counted."""
    return msgspec.json.encode(event.to_cloudevent())


def _from_binary(record: Record, body: bytes) -> bytes:
    headers = {
        name: value.decode("utf-8", "replace")
        for name, value in record.headers
        if value is not None
    }
    attributes = {name[3:]: value for name, value in headers.items() if name.startswith("ce_")}
    return from_binary(attributes, body, headers.get("content-type"))
