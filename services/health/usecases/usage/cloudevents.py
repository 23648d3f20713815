"""CloudEvents in each of their forms: data as JSON, data in base64, attributes in headers."""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from services.health.domain.usage import event as usage_event
from services.health.domain.usage.event import Reception, UsageEvent
from services.health.domain.usage.members import InvalidEvent, check_storable, shown
from services.health.usecases.usage.reading import UNREADABLE


def read_cloudevent(event: object, reception: Reception) -> UsageEvent:
    """Read a CloudEvent, its data in whichever form. Raises `InvalidEvent`."""
    return usage_event.read_cloudevent(_with_data(event), reception)


def from_binary(attributes: Mapping[str, str], body: bytes, content_type: str | None) -> bytes:
    """Return the JSON text of an event whose attributes came in headers (binary mode).

    A body that is no JSON is kept in base64, as CloudEvents has it: reading it says what is wrong.
    """
    event: dict[str, Any] = {**attributes}
    if content_type:
        event["datacontenttype"] = content_type
    if body.strip():
        event.update(_data(body))
    return msgspec.json.encode(event)


def _data(body: bytes) -> Mapping[str, Any]:
    try:
        msgspec.json.decode(body)
    except UNREADABLE:
        return {"data_base64": base64.b64encode(body).decode()}
    return {"data": msgspec.Raw(body)}


def _with_data(event: object) -> object:
    """Return an event with the data that it has in base64, if that is JSON.

    Whatever its label says: what else can be read as JSON is no worse for it.
    """
    if not isinstance(event, dict) or event.get("data") is not None:
        return event
    packed = event.get("data_base64")
    return event if packed is None else {**event, "data": _unpacked(packed, event)}


def _unpacked(packed: object, event: Mapping[str, Any]) -> object:
    try:
        body = base64.b64decode(packed if isinstance(packed, str) else "?", validate=True)
    except ValueError:
        raise InvalidEvent("invalid_data_base64", "data_base64 is not base64 (RFC 4648).") from None
    try:
        data = msgspec.json.decode(body)
    except RecursionError:
        raise InvalidEvent("too_deep", "The data is nested without end.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidEvent("invalid_data", _not_json(event.get("datacontenttype"))) from None
    check_storable(data)
    return data


def _not_json(content_type: object) -> str:
    label = f" ({shown(content_type)})" if content_type else ""
    return (
        f'data{label} is no JSON in UTF-8: send an object like {{"user_id": "u-42", '
        '"properties": {}}, or no data.'
    )
