"""The envelope around a fact, and the events that product backends say."""

from typing import Any

from shared.kernel.ids import ACCOUNT_ID
from tenure.docgen.facts import Field

_TIME = {"type": "string", "format": "date-time"}
_TEXT = {"type": "string", "minLength": 1}

ENVELOPE: tuple[Field, ...] = (
    Field("specversion", "string", is_required=True, meaning="Always `1.0`."),
    Field(
        "id",
        "string",
        is_required=True,
        meaning="UUIDv7. With `source` it is unique: use both to de-duplicate.",
    ),
    Field(
        "source",
        "string",
        is_required=True,
        meaning="`/tenure/<service>`, the service that said it.",
    ),
    Field("type", "string", is_required=True, meaning="`io.tenure.<service>.<fact>.v<major>`."),
    Field("subject", "string", is_required=True, meaning="The account id."),
    Field("time", "time", is_required=True, meaning="When it was said, RFC 3339 in UTC."),
    Field("datacontenttype", "string", is_required=False, meaning="Always `application/json`."),
    Field("dataschema", "string", is_required=False, meaning="Names the JSON Schema of `data`."),
    Field("partitionkey", "string", is_required=False, meaning="The Kafka key: the account id."),
    Field(
        "traceparent",
        "string",
        is_required=False,
        meaning="W3C trace context, where there is a trace.",
    ),
    Field(
        "causationid",
        "string",
        is_required=False,
        meaning="`id` of the event that led to this one.",
    ),
    Field(
        "correlationid",
        "string",
        is_required=False,
        meaning="`id` of the event the whole chain began with.",
    ),
    Field("data", "object", is_required=True, meaning="The fact; see each below."),
)

EXAMPLE_USAGE: dict[str, Any] = {
    "specversion": "1.0",
    "id": "7d0c6a52-3f3e-4a0e-8a53-6f3d5b1f2c11",
    "source": "/acme-app/backend",
    "type": "report.exported",
    "subject": "acme",
    "time": "2026-03-02T11:59:58Z",
    "data": {"user_id": "u-42", "properties": {"format": "pdf"}},
}


EXAMPLE_SIGNAL: dict[str, Any] = {
    "specversion": "1.0",
    "id": "survey-9812-answer-4",
    "source": "/acme-surveys",
    "type": "io.tenure.signal.nps_answered",
    "subject": "acme",
    "time": "2026-03-02T11:59:58Z",
    "data": {"value": 9},
}


def envelope_schema() -> dict[str, Any]:
    """Return the schema of the envelope of facts."""
    shapes: dict[str, dict[str, Any]] = {
        "specversion": {"const": "1.0"},
        "time": _TIME,
        "datacontenttype": {"const": "application/json"},
        "dataschema": {"type": "string", "format": "uri"},
        "data": {"type": "object"},
    }
    return {
        "type": "object",
        "properties": {
            field.name: {**shapes.get(field.name, _TEXT), "description": field.meaning}
            for field in ENVELOPE
        },
        "required": [field.name for field in ENVELOPE if field.is_required],
    }


def usage_schema() -> dict[str, Any]:
    """Return the schema of an event on the usage topic."""
    return {
        "type": "object",
        "properties": {
            "specversion": {"const": "1.0"},
            "id": _of("Unique within the source; the same when it is sent again.", longest=256),
            "source": _of("Who sends it, such as `/acme-app/backend`.", longest=256),
            "type": _of("The name of the event, such as `report.exported`.", longest=200),
            "subject": {
                "type": "string",
                "pattern": f"^{ACCOUNT_ID.pattern}$",
                "description": "The account id.",
            },
            "time": {**_TIME, "description": "When it happened, RFC 3339."},
            "data": {
                "type": "object",
                "properties": {
                    "user_id": {
                        "type": ["string", "null"],
                        "maxLength": 256,
                        "description": "Who did it. Without it the use counts, but for no user.",
                    },
                    "properties": {"type": "object", "description": "Anything; not counted."},
                },
            },
            "backfill": {"type": "boolean", "description": "True for history: it fires no alert."},
        },
        "required": ["specversion", "id", "source", "type", "subject"],
    }


def signal_schema() -> dict[str, Any]:
    """Return the schema of an event on the signals topic."""
    usage = usage_schema()["properties"]
    return {
        "type": "object",
        "properties": {
            **{name: usage[name] for name in ("specversion", "id", "source", "subject")},
            "type": _of(
                "A type of the catalogue, alone or as `io.tenure.signal.<type>`.", longest=200
            ),
            "time": {**_TIME, "description": "When it was said, RFC 3339."},
            "data": {
                "type": "object",
                "properties": {
                    "value": {
                        "type": ["number", "string", "null"],
                        "description": "What the type asks for; nothing for most.",
                    },
                    "observed_at": {
                        **_TIME,
                        "description": "When it was observed; without it, `time`.",
                    },
                },
            },
        },
        "required": ["specversion", "id", "source", "type", "subject", "time", "data"],
    }


def _of(description: str, *, longest: int) -> dict[str, Any]:
    return {**_TEXT, "maxLength": longest, "description": description}
