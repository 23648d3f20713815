"""The envelope: CloudEvents 1.0.2, structured JSON; binary mode is understood too."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar, Self

import msgspec
from pydantic import BaseModel, ConfigDict

from shared.contracts.showing import read_as_shown
from shared.kernel.errors import Invalid
from shared.kernel.ids import new_id

CONTENT_TYPE = "application/cloudevents+json"
_TYPE = re.compile(r"io\.tenure\.([a-z]+)\.([a-z_]+)\.v(\d+)")


class MalformedEvent(Invalid):
    """The record is not a CloudEvent."""


class Fact(BaseModel):
    """A past-tense fact, declared once by the service that publishes it.

    ``event_type`` is ``io.tenure.<service>.<fact>.v<major>``. Within a major version a fact only
    gains optional fields. ``account_id`` is the subject, the Kafka key and the unit of order.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    event_type: ClassVar[str]
    account_id: str

    @classmethod
    def publisher(cls) -> str:
        """Return the service that owns this fact."""
        return publisher_of(cls.event_type)


@dataclass(frozen=True, slots=True)
class Event:
    """A fact on its way: who said it, when, about which account, and what led to it."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: Mapping[str, Any]
    traceparent: str | None = None
    causationid: str | None = None
    correlationid: str | None = None

    @classmethod
    def of(
        cls, fact: Fact, *, time: datetime, cause: "Event | None", traceparent: str | None
    ) -> Self:
        """Wrap a fact. The correlation id is that of the cause, so a chain can be followed."""
        event_id = str(new_id())
        return cls(
            id=event_id,
            source=f"/tenure/{fact.publisher()}",
            type=fact.event_type,
            subject=fact.account_id,
            time=time,
            data=read_as_shown(fact.model_dump_json().encode()),
            traceparent=traceparent,
            causationid=cause.id if cause else None,
            correlationid=(cause.correlationid or cause.id) if cause else event_id,
        )

    @property
    def publisher(self) -> str:
        """The service that published this event."""
        return publisher_of(self.type)

    def to_dict(self) -> dict[str, Any]:
        """Return the structured JSON form; attributes without a value are left out."""
        envelope = {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": self.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "dataschema": f"https://tenure.io/schemas/{self.type}.json",
            "partitionkey": self.subject,
            "traceparent": self.traceparent,
            "causationid": self.causationid,
            "correlationid": self.correlationid,
            "data": self.data,
        }
        return {name: value for name, value in envelope.items() if value is not None}

    def to_json(self) -> bytes:
        """Return the bytes of the structured form."""
        return msgspec.json.encode(self.to_dict())

    @classmethod
    def from_record(cls, value: bytes | None, headers: Mapping[str, str]) -> Self:
        """Read a Kafka record, structured or binary mode. Raises `MalformedEvent`."""
        body = _parse(value)
        if "ce_specversion" in headers:
            body = {name[3:]: text for name, text in headers.items() if name[:3] == "ce_"} | {
                "data": body
            }
        if not isinstance(body, dict):
            raise MalformedEvent("a CloudEvent is a JSON object")
        return cls._from_attributes(body)

    @classmethod
    def _from_attributes(cls, body: Mapping[str, Any]) -> Self:
        missing = [name for name in ("id", "source", "type", "subject") if not body.get(name)]
        if missing or body.get("specversion") != "1.0":
            raise MalformedEvent(f"missing CloudEvents attributes: {missing or ['specversion']}")
        data = body.get("data")
        if not isinstance(data, dict):
            raise MalformedEvent("data is not a JSON object")
        return cls(
            id=str(body["id"]),
            source=str(body["source"]),
            type=str(body["type"]),
            subject=str(body["subject"]),
            time=parse_time(body.get("time")),
            data=data,
            traceparent=_text_or_none(body, "traceparent"),
            causationid=_text_or_none(body, "causationid"),
            correlationid=_text_or_none(body, "correlationid"),
        )


def headers_of(event_id: str, event_type: str, traceparent: str | None) -> list[tuple[str, bytes]]:
    """Return the Kafka headers that let tools filter without reading the value.

    None begins with ``ce_``: readers take that for binary mode (decision 9).
    """
    headers = [
        ("content-type", CONTENT_TYPE.encode()),
        ("event_id", event_id.encode()),
        ("event_type", event_type.encode()),
    ]
    if traceparent:
        headers.append(("traceparent", traceparent.encode()))
    return headers


@lru_cache(maxsize=256)
def publisher_of(event_type: str) -> str:
    """Return the service named in an event type. Raises `MalformedEvent`."""
    match = _TYPE.fullmatch(event_type)
    if match is None:
        raise MalformedEvent(f"{event_type!r} is not io.tenure.<service>.<fact>.v<major>")
    return match.group(1)


def parse_time(value: object) -> datetime:
    """Read an RFC 3339 time. Raises `MalformedEvent`."""
    try:
        parsed = datetime.fromisoformat(str(value))
        at = parsed.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter at both ends of the calendar
        raise MalformedEvent(f"time {value!r} is not RFC 3339") from None
    if parsed.tzinfo is None:
        raise MalformedEvent(f"time {value!r} has no offset from UTC")
    return at


def _text_or_none(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise MalformedEvent(f"{name} is a text")
    return value


def _parse(value: bytes | None) -> Any:
    try:
        return msgspec.json.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedEvent(f"the value is not JSON: {error}") from None
