"""PostHog's paths, as its SDKs use them: the key is in the body, and so is the kind of event."""

import base64
import binascii
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import msgspec
from fastapi import Request, Response

from services.health.api.ingest.body import read_body
from services.health.api.ingest.ingest import serve, serve_question
from services.health.api.ingest.reception import InvalidJson, reception_of, writer
from services.health.api.ingest.sorting import decode_batch, decode_events, receive, take
from services.health.domain.usage.event import Reception
from services.health.domain.usage.posthog import read_capture
from services.health.usecases.usage.reading import UNREADABLE, Read
from shared.auth.keys import SECRET_MARK, masked
from shared.auth.principal import Principal
from shared.web.routing import api_router
from shared.web.shortcut import DirectRoute

_FORM = b"data="
_MOST_FIELDS = 100
_NO_FLAGS = (
    b'{"flags":{},"featureFlags":{},"featureFlagPayloads":{},"errorsWhileComputingFlags":false}'
)
_NO_DEFINITIONS = b'{"flags":[],"group_type_mapping":{},"cohorts":{}}'
_NO_EXTRAS = (
    b'{"supportedCompression":["gzip","gzip-js"],"hasFeatureFlags":false,"sessionRecording":false,'
    b'"surveys":false,"heatmaps":false,"capturePerformance":false,"siteApps":[]}'
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
    properties: Any = None

    @property
    def key(self) -> object:
        """The write key, wherever it is."""
        in_properties = self.properties if isinstance(self.properties, dict) else {}
        return self.api_key or self.token or in_properties.get("token")


class _Named(msgspec.Struct):
    """What an event is called by in the answer to its batch."""

    uuid: str = ""


router = api_router("", tags=["ingest"], route_class=DirectRoute)
_decode_name = msgspec.json.Decoder(_Named)
_decode_frame = msgspec.json.Decoder(_Frame)
_decode_event = msgspec.json.Decoder(_Event)


async def receive_captures(request: Request) -> Response:
    """Take in PostHog events: a batch, an array or a single one."""
    raw = _unwrapped(await read_body(request))
    if raw.lstrip()[:1] == b"[":
        events = decode_events(raw)
        return await _receive(request, _Frame(events), events)
    frame: _Frame = decode_batch(raw, _decode_frame)
    events = [msgspec.Raw(raw)] if frame.batch is None else frame.batch
    return await _receive(request, frame, events)


async def receive_judged(request: Request) -> Response:
    """Take in a batch of PostHog events, and answer what became of each, by its uuid."""
    principal = await writer(request)
    frame: _Frame = decode_batch(await read_body(request), _decode_frame)
    if frame.batch is None:
        raise InvalidJson("The body has no events: send them as the array `batch`.")
    frame.sent_at = request.headers.get("posthog-request-timestamp")
    _, refused = await take(request, *_opened(request, principal, frame, frame.batch))
    reasons = {place: error.detail for place, _, error in refused}
    results = {
        _uuid_of(event): {"result": "drop", "details": reasons[place]}
        if place in reasons
        else {"result": "ok"}
        for place, event in enumerate(frame.batch)
    }
    return Response(msgspec.json.encode({"results": results}), media_type="application/json")


async def answer_flags(request: Request) -> Response:
    """Say that there are no feature flags, in the words in which PostHog's SDKs ask."""
    await read_body(request)
    return Response(_NO_FLAGS, media_type="application/json")


async def answer_definitions(_request: Request) -> Response:
    """Say that there are no flags to evaluate: backends with a personal key ask time and again."""
    return Response(_NO_DEFINITIONS, media_type="application/json")


async def answer_config(_request: Request) -> Response:
    """Say that nothing is to be done beyond sending events, as apps and browsers ask at start."""
    return Response(_NO_EXTRAS, media_type="application/json")


async def _receive(request: Request, frame: _Frame, events: Sequence[msgspec.Raw]) -> Response:
    principal = await writer(request, frame.api_key or frame.token or _key_in(events))
    return await receive(request, *_opened(request, principal, frame, events))


def _opened(
    request: Request, principal: Principal, frame: _Frame, events: Sequence[msgspec.Raw]
) -> tuple[list[msgspec.Raw], Reception, Read]:
    """Return the events of a frame, how they came in, and what reads them."""
    reception = reception_of(
        request, principal, frame.sent_at, is_history=frame.historical_migration
    )
    read = partial(read_capture, alike=Counter())
    return [_without_keys(each) for each in events], reception, read


def _uuid_of(event: msgspec.Raw) -> str:
    """Return the uuid of an event; empty where it has none that can be read."""
    with suppress(*UNREADABLE):
        return _decode_name.decode(event).uuid
    return ""


def _key_in(events: Sequence[msgspec.Raw]) -> object:
    """Return the key of the first event that has one."""
    for event in events:
        with suppress(*UNREADABLE):
            key = _decode_event.decode(event).key
            if key:
                return key
    return None


def _without_keys(event: msgspec.Raw) -> msgspec.Raw:
    """Return an event without the key that the SDK put into it: who reads events may not write."""
    raw = bytes(event)
    if SECRET_MARK not in raw:
        return event
    text = masked(raw.decode("utf-8", "surrogateescape"))
    return msgspec.Raw(text.encode("utf-8", "surrogateescape"))


def _unwrapped(body: bytes) -> bytes:
    """Return the JSON that a browser or a script may have put into a form, mostly in base64."""
    if body.lstrip()[:1] in (b"{", b"[") or _FORM not in body:
        return body
    try:
        fields = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=_MOST_FIELDS)
        data = fields["data"][0]
        if data.startswith(("{", "[")):
            return data.encode()
        return base64.b64decode(data.replace(" ", "+"), validate=True)
    except (ValueError, KeyError, binascii.Error) as error:
        raise InvalidJson(f"The form cannot be read: {error}.") from None


def _register() -> None:
    for path in ("/batch", "/capture"):
        serve(router, path, f"ingest_posthog{path.replace('/', '_')}", receive_captures)
    for path in ("/e", "/i/v0/e"):
        name = f"ingest_posthog{path.replace('/', '_')}"
        serve(router, path, name, receive_captures, include_in_schema=False)
    judged = "/i/v1/analytics/events"
    serve(router, judged, "ingest_posthog_judged", receive_judged, include_in_schema=False)
    for path in ("/flags", "/decide"):
        name = f"posthog{path.replace('/', '_')}"
        serve(router, path, name, answer_flags, include_in_schema=False)
    for path, name, answer in (
        ("/api/feature_flag/local_evaluation", "posthog_local_evaluation", answer_definitions),
        ("/flags/definitions", "posthog_flags_definitions", answer_definitions),
        ("/array/{token}/config", "posthog_config", answer_config),
    ):
        serve_question(router, path, name, answer)


_register()
