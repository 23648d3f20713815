"""What product backends send: the paths, answers and errors their SDKs expect.

Always 200 once durable; a bad event inside a batch is a rejection, not a failed batch. Errors
carry `code` and `message`, because SDKs that do not find them retry for ever.
"""

import re
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import unquote

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.datastructures import Headers

from services.health.api.ingest.body import read_body
from services.health.api.ingest.reception import (
    PROBLEMS,
    Receipt,
    reception_of,
    writer,
)
from services.health.api.ingest.sorting import (
    decode,
    decode_batch,
    decode_events,
    encode,
    receive,
)
from services.health.domain.usage.segment import TYPES, read_message
from services.health.usecases.usage.cloudevents import from_binary, read_cloudevent
from shared.web.routing import ForeignRoute, api_router
from shared.web.shortcut import DirectRoute

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class _Body(msgspec.Struct):
    """The frame of a Segment-shaped body; the messages are read one by one."""

    batch: list[msgspec.Raw]
    writeKey: str | None = None  # noqa: N815 - the SDKs' spelling
    sentAt: Any = None  # noqa: N815 - the SDKs' spelling


router = api_router("", tags=["ingest"], route_class=DirectRoute)
_TYPE_OF_LETTER = {kind[0]: kind for kind in TYPES}
_decode_body = msgspec.json.Decoder(_Body)
_QUOTED = re.compile(r'"(.*)"')
_ESCAPED = re.compile(r"\\(.)")
_SOURCE = (
    b'{"source":{"id":"tenure","name":"Tenure","writeKey":"","workspaceId":"tenure","enabled":true,'
    b'"updatedAt":"2026-01-01T00:00:00.000Z","destinations":[],"config":{"statsCollection":'
    b'{"errors":{"enabled":false},"metrics":{"enabled":false}}}}}'
)


async def receive_batch(request: Request) -> Response:
    """Take in a batch of Segment-shaped messages."""
    raw = await read_body(request)
    body: _Body = decode_batch(raw, _decode_body)
    principal = await writer(request, body.writeKey)
    reception = reception_of(request, principal, body.sentAt)
    return await receive(request, body.batch, reception, read_message, raw)


async def receive_one(request: Request) -> Response:
    """Take in one Segment-shaped message; the path says its type."""
    raw = await read_body(request)
    message: dict[str, Any] = decode(raw, _decode_object)
    principal = await writer(request, message.get("writeKey"))
    kind = request.url.path.rstrip("/").rpartition("/")[2]
    message["type"] = _TYPE_OF_LETTER.get(kind, kind)
    reception = reception_of(request, principal, message.get("sentAt"))
    return await receive(request, [encode(message)], reception, read_message)


async def receive_events(request: Request) -> Response:
    """Take in CloudEvents: one, an array of them, or one in binary mode."""
    raw = await read_body(request)
    principal = await writer(request)
    reception = reception_of(request, principal)
    if "ce-specversion" in request.headers:
        events = [_binary_event(request.headers, raw)]
    elif raw.lstrip()[:1] == b"[":
        events = decode_events(raw)
    else:
        decode(raw, _decode_object)
        events = [msgspec.Raw(raw)]
    return await receive(request, events, reception, read_cloudevent)


async def answer_source(request: Request) -> Response:
    """Say that all is to be sent, and only here: RudderStack's apps and browsers ask at start."""
    await writer(request, request.query_params.get("writeKey"))
    return Response(_SOURCE, media_type="application/json")


_decode_object = msgspec.json.Decoder(dict[str, Any])


def serve(router: APIRouter, path: str, name: str, endpoint: Endpoint, **shown: Any) -> None:
    """Serve a path with and without a final slash: SDKs do not follow redirects."""
    router.post(path, name=name, responses=PROBLEMS, response_model=Receipt, **shown)(endpoint)
    router.post(f"{path}/", name=f"{name}_slash", include_in_schema=False)(endpoint)


def serve_question(router: APIRouter, path: str, name: str, answer: Endpoint) -> None:
    """Serve what SDKs ask about how they are to behave; nobody else needs to know of it."""
    shown: dict[str, Any] = {"include_in_schema": False, "route_class_override": ForeignRoute}
    router.add_api_route(path, answer, name=name, **shown)
    router.add_api_route(f"{path}/", answer, name=f"{name}_slash", **shown)


def _register() -> None:
    serve(router, "/v1/batch", "ingest_batch", receive_batch)
    for alias in ("b", "import"):
        serve(router, f"/v1/{alias}", f"ingest_{alias}", receive_batch, include_in_schema=False)
    for letter, kind in _TYPE_OF_LETTER.items():
        serve(router, f"/v1/{kind}", f"ingest_{kind}", receive_one)
        serve(router, f"/v1/{letter}", f"ingest_{letter}", receive_one, include_in_schema=False)
    serve(router, "/v1/events", "ingest_events", receive_events)
    serve_question(router, "/sourceConfig", "rudderstack_source", answer_source)


_register()


def _binary_event(headers: Headers, raw: bytes) -> msgspec.Raw:
    attributes = {
        name[3:]: _attribute(value) for name, value in headers.items() if name.startswith("ce-")
    }
    return msgspec.Raw(from_binary(attributes, raw, headers.get("content-type")))


def _attribute(value: str) -> str:
    """Return what a header says: maybe in quotes, and percent-encoded where it is no plain ASCII.

    Both as the HTTP protocol binding of CloudEvents has it.
    """
    quoted = _QUOTED.fullmatch(value)
    return unquote(_ESCAPED.sub(r"\1", quoted[1]) if quoted else value)
