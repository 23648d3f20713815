"""PostHog's paths, as its SDKs use them: the key is in the body, and so is the kind of event."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import msgspec
from fastapi import Request, Response

from services.health.api.body import read_body
from services.health.api.ingest import serve
from services.health.api.reception import InvalidJson, reception_of, writer
from services.health.api.sorting import decode, receive
from services.health.domain.usage.posthog import read_capture
from shared.web.routing import api_router
from shared.web.shortcut import DirectRoute

_FORM = b"data="
_NO_FLAGS = (
    b'{"flags":{},"featureFlags":{},"featureFlagPayloads":{},"errorsWhileComputingFlags":false}'
)


class _Frame(msgspec.Struct):
    """The frame of a PostHog body; the events are read one by one."""

    batch: list[msgspec.Raw] | None = None
    api_key: str | None = None
    token: str | None = None
    sent_at: Any = None
    historical_migration: bool = False


class _Event(msgspec.Struct):
    """What a lone event says about who sends it; the browser's SDK has it in the properties."""

    api_key: str | None = None
    token: str | None = None
    properties: dict[str, Any] | None = None

    @property
    def key(self) -> object:
        """The write key, wherever it is."""
        return self.api_key or self.token or (self.properties or {}).get("token")


router = api_router("", tags=["ingest"], route_class=DirectRoute)
_decode_frame = msgspec.json.Decoder(_Frame)
_decode_events = msgspec.json.Decoder(list[msgspec.Raw])
_decode_event = msgspec.json.Decoder(_Event)


async def receive_captures(request: Request) -> Response:
    """Take in PostHog events: a batch, an array or a single one."""
    raw = _unwrapped(await read_body(request))
    if raw.lstrip()[:1] == b"[":
        events: list[msgspec.Raw] = decode(raw, _decode_events)
        return await _receive(request, _Frame(events), events)
    frame: _Frame = decode(raw, _decode_frame)
    events = [msgspec.Raw(raw)] if frame.batch is None else frame.batch
    return await _receive(request, frame, events)


async def answer_flags(request: Request) -> Response:
    """Say that there are no feature flags, in the words in which PostHog's SDKs ask."""
    await read_body(request)
    return Response(_NO_FLAGS, media_type="application/json")


async def _receive(request: Request, frame: _Frame, events: Sequence[msgspec.Raw]) -> Response:
    key: object = frame.api_key or frame.token
    if key is None and events:
        key = decode(bytes(events[0]), _decode_event).key
    principal = await writer(request, key)
    reception = reception_of(
        request, principal, frame.sent_at, is_history=frame.historical_migration
    )
    return await receive(request, events, reception, read_capture)


def _unwrapped(body: bytes) -> bytes:
    """Return the JSON that the browser's SDK may have put into a form, in base64."""
    if not body.startswith(_FORM):
        return body
    try:
        form = parse_qs(body.decode("ascii"), strict_parsing=True)
        return base64.b64decode(form["data"][0].replace(" ", "+"), validate=True)
    except (ValueError, KeyError, binascii.Error) as error:
        raise InvalidJson(f"The form cannot be read: {error}.") from None


def _register() -> None:
    for path in ("/batch", "/capture"):
        serve(router, path, f"ingest_posthog{path.replace('/', '_')}", receive_captures)
    for path in ("/e", "/i/v0/e"):
        name = f"ingest_posthog{path.replace('/', '_')}"
        serve(router, path, name, receive_captures, include_in_schema=False)
    for path in ("/flags", "/decide"):
        name = f"posthog{path.replace('/', '_')}"
        serve(router, path, name, answer_flags, include_in_schema=False)


_register()
