"""What product backends send: the paths, answers and errors their SDKs expect.

Always 200 once durable; a bad event inside a batch is a rejection, not a failed batch. Errors
carry `code` and `message`, because SDKs that do not find them retry for ever.
"""

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from fastapi import Request
from starlette.datastructures import Headers

from services.health.api.body import InvalidGzip, PayloadTooLarge, read_body
from services.health.domain.usage.event import (
    Call,
    InvalidEvent,
    Reception,
    check_storable,
    read_cloudevent,
    read_message,
    read_time,
)
from services.health.storage.intake import Rejection
from services.health.usecases.intake import Intake, take_in
from shared.auth.key_ring import KeyRing
from shared.auth.principal import Principal
from shared.bus.producer import RateLimited, Unavailable
from shared.kernel.errors import Kind, Refusal
from shared.observability.metrics import INGEST_EVENTS
from shared.web.deps import presented_secret
from shared.web.openapi import responses
from shared.web.routing import StreamingRoute, api_router

_LARGEST_EVENT = 32 * 1024
_SURELY_FLAT = 50


class InvalidJson(Refusal):
    """The body is not the JSON this path reads."""

    kind = Kind.MALFORMED


class InvalidWriteKey(Refusal):
    """Send a write key: as the user of Basic auth, as a Bearer token, or as writeKey."""

    kind = Kind.UNAUTHENTICATED


class InvalidEvents(Refusal):
    """In strict mode a batch with an invalid event is refused whole; see errors."""

    kind = Kind.MALFORMED


class _Body(msgspec.Struct):
    """The frame of a Segment-shaped body; the messages are read one by one."""

    batch: list[msgspec.Raw]
    writeKey: str | None = None  # noqa: N815 - the SDKs' spelling
    sentAt: Any = None  # noqa: N815 - the SDKs' spelling


router = api_router("", tags=["ingest"], route_class=StreamingRoute)
_PROBLEMS = responses(
    InvalidJson,
    InvalidEvents,
    InvalidGzip,
    InvalidWriteKey,
    PayloadTooLarge,
    RateLimited,
    Unavailable,
)


async def receive_batch(request: Request) -> dict[str, Any]:
    """Take in a batch of Segment-shaped messages."""
    raw = await read_body(request)
    body = _decode(raw, _Body)
    principal = await _writer(request, body.writeKey)
    reception = _reception(request, principal, body.sentAt)
    return await _take_in(request, body.batch, reception, read_message)


async def receive_one(request: Request) -> dict[str, Any]:
    """Take in one Segment-shaped message; the path says its type."""
    raw = await read_body(request)
    message = _decode(raw, dict[str, Any])
    principal = await _writer(request, message.get("writeKey"))
    message["type"] = request.url.path.rstrip("/").rpartition("/")[2]
    reception = _reception(request, principal, message.get("sentAt"))
    return await _take_in(request, [_encode(message)], reception, read_message)


async def receive_events(request: Request) -> dict[str, Any]:
    """Take in CloudEvents: one, an array of them, or one in binary mode."""
    principal = await _writer(request, None)
    raw = await read_body(request)
    reception = _reception(request, principal, None)
    if "ce-specversion" in request.headers:
        event = _encode(_binary_event(request.headers, raw))
        return await _take_in(request, [event], reception, read_cloudevent)
    if raw.lstrip()[:1] == b"[":
        return await _take_in(request, _decode(raw, list[msgspec.Raw]), reception, read_cloudevent)
    _decode(raw, dict[str, Any])
    return await _take_in(request, [msgspec.Raw(raw)], reception, read_cloudevent)


def _register() -> None:
    """Register each path with and without a final slash: SDKs do not follow redirects."""
    paths: dict[str, Callable[[Request], Any]] = {"/v1/batch": receive_batch}
    paths |= {f"/v1/{kind}": receive_one for kind in ("track", "page", "screen")}
    paths |= {f"/v1/{kind}": receive_one for kind in ("group", "identify")}
    paths["/v1/events"] = receive_events
    for path, endpoint in paths.items():
        name = f"ingest_{path.rpartition('/')[2]}"
        router.post(path, name=name, responses=_PROBLEMS)(endpoint)
        router.post(f"{path}/", name=f"{name}_slash", include_in_schema=False)(endpoint)


_register()


async def _take_in(
    request: Request,
    raws: list[msgspec.Raw],
    reception: Reception,
    read: Callable[[object, Reception], Call],
) -> dict[str, Any]:
    received = Intake()
    for raw in raws:
        _sort(bytes(raw), reception, read, received)
    if received.rejections and request.headers.get("x-strict-mode") == "1":
        raise InvalidEvents(errors=_strict_errors(raws, reception, read))
    await take_in(request.app.state.database, request.app.state.producer, received)
    INGEST_EVENTS.labels("accepted").inc(len(received.calls))
    INGEST_EVENTS.labels("rejected").inc(len(received.rejections))
    return {
        "success": True,
        "accepted": len(received.calls),
        "rejected": len(received.rejections),
    }


def _sort(
    raw: bytes,
    reception: Reception,
    read: Callable[[object, Reception], Call],
    received: Intake,
) -> None:
    try:
        received.calls.append(_read(raw, reception, read))
    except InvalidEvent as error:
        message = _decoded_or_none(raw)
        received.rejections.append(
            Rejection(
                source=_source_of(message, reception),
                event_id=_id_of(message),
                code=error.reason,
                message=error.detail,
                raw=raw[:_LARGEST_EVENT].decode("utf-8", "replace").replace("\x00", ""),
                received_at=reception.received_at,
            )
        )


def _read(raw: bytes, reception: Reception, read: Callable[[object, Reception], Call]) -> Call:
    if len(raw) > _LARGEST_EVENT:
        message = f"The event has {len(raw)} bytes; 32 KiB are the most."
        raise InvalidEvent("event_too_large", message)
    try:
        message = msgspec.json.decode(raw)
    except RecursionError:
        raise InvalidEvent("too_deep", "The event is nested without end.") from None
    if b"\\u0000" in raw or raw.count(b"[") + raw.count(b"{") > _SURELY_FLAT:
        check_storable(message)
    return read(message, reception)


def _decoded_or_none(raw: bytes) -> object:
    try:
        return msgspec.json.decode(raw)
    except RecursionError:
        return None


def _strict_errors(
    raws: list[msgspec.Raw], reception: Reception, read: Callable[[object, Reception], Call]
) -> list[dict[str, Any]]:
    errors = []
    for index, raw in enumerate(raws):
        try:
            _read(bytes(raw), reception, read)
        except InvalidEvent as error:
            errors.append({"index": index, "code": error.reason, "message": error.detail})
    return errors


async def _writer(request: Request, in_body: object) -> Principal:
    """Return who writes. Only keys with the scope ``usage:write`` do."""
    secret = presented_secret(request) or (in_body if isinstance(in_body, str) else None)
    key_ring: KeyRing = request.app.state.key_ring
    principal = await key_ring.authenticate(secret) if secret else None
    if principal is None or not principal.allows("usage:write"):
        raise InvalidWriteKey
    return principal


def _reception(request: Request, principal: Principal, sent_at: object) -> Reception:
    return Reception(principal.source, request.app.state.clock.now(), _time_or_none(sent_at))


def _time_or_none(value: object) -> datetime | None:
    """Without a usable sentAt there is no correction of the sender's clock, and no harm."""
    try:
        return read_time(value) if value is not None else None
    except InvalidEvent:
        return None


def _decode(raw: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidJson(f"The body cannot be read: {error}.") from None


def _encode(message: object) -> msgspec.Raw:
    try:
        return msgspec.Raw(msgspec.json.encode(message))
    except RecursionError as error:
        raise InvalidJson(f"The body cannot be read: {error}.") from None


def _binary_event(headers: Headers, raw: bytes) -> dict[str, Any]:
    event: dict[str, Any] = {
        name[3:]: value for name, value in headers.items() if name.startswith("ce-")
    }
    try:
        return {**event, "data": msgspec.json.decode(raw or b"null")}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {**event, "data": {"base64": base64.b64encode(raw).decode()}}


def _id_of(message: object) -> str | None:
    if not isinstance(message, dict):
        return None
    found = message.get("messageId") or message.get("id")
    return found.replace("\x00", "")[:256] if isinstance(found, str) and found else None


def _source_of(message: object, reception: Reception) -> str:
    source = message.get("source") if isinstance(message, dict) else None
    if isinstance(source, str) and isinstance(message, dict) and "specversion" in message:
        return source.replace("\x00", "")[:256]
    return reception.source
