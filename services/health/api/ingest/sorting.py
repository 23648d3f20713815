"""Sorting what a request holds: what counts, what is refused, and how that is answered."""

from collections.abc import Iterable, Sequence, Sized
from typing import Any, TypeVar

import msgspec
from fastapi import Request, Response

from services.health.api.ingest.body import PayloadTooLarge
from services.health.api.ingest.plain import take_plain
from services.health.api.ingest.reception import InvalidEvents, InvalidJson, is_strict, packer_of
from services.health.domain.usage.event import Reception
from services.health.domain.usage.members import InvalidEvent
from services.health.domain.usage.segment import read_message
from services.health.usecases.usage.intake import Intake, take_in
from services.health.usecases.usage.reading import (
    UNREADABLE,
    Read,
    as_sent,
    loosely,
    read_arriving,
    rejection_of,
    split,
    unreadable,
)
from shared.observability.metrics import INGEST_EVENTS

MOST_EVENTS = 10_000
_ACCEPTED, _REJECTED, _IGNORED = (
    INGEST_EVENTS.labels(outcome) for outcome in ("accepted", "rejected", "ignored")
)
Refused = tuple[int, bytes, InvalidEvent]
Events = TypeVar("Events", bound=Sized)


async def receive(
    request: Request,
    raws: Sequence[msgspec.Raw],
    reception: Reception,
    read: Read,
    body: bytes | None = None,
) -> Response:
    """Take in a request's events and answer. Raises as `take` does."""
    received, _ = await take(request, raws, reception, read, body)
    return _answer(received)


async def take(
    request: Request,
    raws: Sequence[msgspec.Raw],
    reception: Reception,
    read: Read,
    body: bytes | None = None,
) -> tuple[Intake, list[Refused]]:
    """Take in a request's events; return them, and with their places those that are refused.

    ``body`` is the Segment-shaped batch they stand in, if they do: it may be decoded at once.
    Raises `InvalidEvents` in strict mode.
    """
    received, refused = sort(raws, reception, read, may_be_plain=read is read_message, body=body)
    if refused and is_strict(request):
        raise InvalidEvents(errors=[error_of(*each) for each in refused])
    await keep(request, received)
    return received, refused


def sort(
    raws: Sequence[msgspec.Raw],
    reception: Reception,
    read: Read,
    *,
    may_be_plain: bool,
    body: bytes | None = None,
) -> tuple[Intake, list[Refused]]:
    """Read events; return what they hold, and with their places those that are refused.

    ``may_be_plain``: they may be Segment's messages, most of which the fast road takes.
    """
    received = Intake()
    refused: list[Refused] = []
    places: Iterable[int] = range(len(raws))
    if may_be_plain:
        received.plain, places = take_plain(raws, reception, body)
    for place in places:
        raw = bytes(raws[place])
        try:
            received.calls.append(read_arriving(raw, reception, read))
        except InvalidEvent as error:
            refused.append((place, raw, error))
    received.rejections = [rejection_of(raw, error, reception) for _, raw, error in refused]
    return received, refused


async def keep(request: Request, received: Intake) -> None:
    """Make what was sorted durable, and count it."""
    await take_in(request.app.state.database, packer_of(request), received)
    _ACCEPTED.inc(received.accepted)
    _REJECTED.inc(len(received.rejections))
    _IGNORED.inc(received.ignored)


def error_of(index: int, _raw: bytes, error: InvalidEvent) -> dict[str, Any]:
    """Return how strict mode names a refused event."""
    return {"index": index, "code": error.reason, "message": error.detail}


def decode(raw: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    """Decode a body. Raises `InvalidJson`, which says what is wrong with it."""
    try:
        return decoder.decode(raw)
    except UNREADABLE as error:
        raise InvalidJson(f"The body cannot be read: {unreadable(raw, error)}.") from None


def decode_events(raw: bytes) -> list[msgspec.Raw]:
    """Decode an array of events, each as it is. Raises `InvalidJson` and `PayloadTooLarge`."""
    try:
        return _few(split(raw))
    except UNREADABLE as error:
        raise InvalidJson(f"The body cannot be read: {unreadable(raw, error)}.") from None


def decode_batch(raw: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    """Decode a frame whose ``batch`` holds events, each as it is.

    Raises `InvalidJson` and `PayloadTooLarge`.

    What only Python or JavaScript take for JSON (NaN, half a surrogate) spoils its event, not
    the batch: the SDK would throw all of it away.
    """
    try:
        frame = decode(raw, decoder)
    except InvalidJson:
        found = loosely(raw)
        if not isinstance(found, dict) or not isinstance(found.get("batch"), list):
            raise
        frame = decode(bytes(as_sent({**found, "batch": []})), decoder)
        frame.batch = [as_sent(event) for event in _few(found["batch"])]
    else:
        _few(frame.batch or ())
    return frame


def _few(events: Events) -> Events:
    """Return events unless they are too many, before anything is done with each of them."""
    if len(events) > MOST_EVENTS:
        raise PayloadTooLarge(f"The batch has {len(events)} events; {MOST_EVENTS} are the most.")
    return events


def encode(message: object) -> msgspec.Raw:
    """Encode what was decoded before. Raises `InvalidJson`."""
    try:
        return msgspec.Raw(msgspec.json.encode(message))
    except RecursionError as error:
        raise InvalidJson(f"The body cannot be read: {error}.") from None


def _answer(received: Intake) -> Response:
    ignored = f',"ignored":{received.ignored}' if received.ignored else ""
    rejected = len(received.rejections)
    return Response(
        f'{{"success":true,"accepted":{received.accepted},"rejected":{rejected}{ignored}}}',
        media_type="application/json",
    )
