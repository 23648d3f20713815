"""Bulk: one event a line, a stream of any length in bounded memory.

Events are kept as they come, so what was acknowledged before a failure stays; the stream may be
sent again whole, because ids keep events from counting twice.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from fastapi import Request, Response

from services.health.api.ingest.body import read_body, stream_body
from services.health.api.ingest.ingest import serve
from services.health.api.ingest.reception import InvalidEvents, is_strict, reception_of, writer
from services.health.api.ingest.sorting import error_of, keep, sort
from services.health.domain.usage.event import LARGEST_EVENT, Reception
from services.health.usecases.usage.lines import read_line
from shared.kernel.errors import Refusal
from shared.web.routing import api_router
from shared.web.shortcut import DirectRoute

_CHUNK_LINES = 1_000
_CHUNK_BYTES = 1024 * 1024
_MOST_ERRORS = 100
_SLICE_BYTES = 64 * 1024

router = api_router("", tags=["ingest"], route_class=DirectRoute)


@dataclass(slots=True)
class _Progress:
    """How far a stream has been taken in."""

    lines: int = 0
    accepted: int = 0
    rejected: int = 0
    ignored: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class _Chunk:
    """Lines that are taken in together, with their numbers."""

    lines: list[msgspec.Raw] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    size: int = 0

    @property
    def is_full(self) -> bool:
        return len(self.lines) >= _CHUNK_LINES or self.size >= _CHUNK_BYTES


async def receive_bulk(request: Request) -> Response:
    """Take in newline-delimited JSON: CloudEvents and Segment-shaped messages, one a line."""
    principal = await writer(request)
    reception = reception_of(request, principal)
    progress = _Progress()
    if is_strict(request):
        await _receive_strictly(request, reception, progress)
    else:
        await _receive(request, reception, progress)
    body = {
        "success": True,
        "lines": progress.lines,
        "accepted": progress.accepted,
        "rejected": progress.rejected,
        "ignored": progress.ignored,
        "errors": progress.errors,
    }
    return Response(msgspec.json.encode(body), media_type="application/json")


async def _receive(request: Request, reception: Reception, progress: _Progress) -> None:
    chunk = _Chunk()
    try:
        async for line in _lines(stream_body(request)):
            progress.lines += 1
            if line.strip():
                _add(chunk, line, progress.lines)
            if chunk.is_full:
                await _keep(request, chunk, reception, progress)
                chunk = _Chunk()
        await _keep(request, chunk, reception, progress)
    except Refusal as refusal:
        # What was kept stays kept: say how far it went.
        refusal.context = {
            **refusal.context,
            "accepted": progress.accepted,
            "rejected": progress.rejected,
        }
        raise


async def _receive_strictly(request: Request, reception: Reception, progress: _Progress) -> None:
    """Take in all lines or none: then the whole stream is held, as large as a body may be."""
    chunk = _Chunk()
    for number, line in enumerate((await read_body(request)).split(b"\n"), 1):
        if line.strip():
            progress.lines = number
            _add(chunk, line, number)
    await _keep(request, chunk, reception, progress, strictly=True)


def _add(chunk: _Chunk, line: bytes, number: int) -> None:
    chunk.lines.append(msgspec.Raw(line))
    chunk.numbers.append(number)
    chunk.size += len(line)


async def _keep(
    request: Request,
    chunk: _Chunk,
    reception: Reception,
    progress: _Progress,
    *,
    strictly: bool = False,
) -> None:
    received, refused = sort(chunk.lines, reception, read_line, may_be_plain=True)
    errors = [
        {"line": chunk.numbers[index], **error_of(index, raw, error)}
        for index, raw, error in refused
    ]
    for each in errors:
        del each["index"]
    if errors and strictly:
        raise InvalidEvents(errors=errors)
    await keep(request, received)
    progress.accepted += received.accepted
    progress.rejected += len(refused)
    progress.ignored += received.ignored
    progress.errors += errors[: _MOST_ERRORS - len(progress.errors)]


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield lines; of one that is too long, just enough to be refused as that."""
    rest = b""
    async for piece in pieces:
        for start in range(0, len(piece), _SLICE_BYTES):
            *lines, rest = (rest + piece[start : start + _SLICE_BYTES]).split(b"\n")
            for line in lines:
                yield line
            if len(rest) > LARGEST_EVENT:
                rest = rest[: LARGEST_EVENT + 1]
            # A few packed bytes may unpack to millions of empty lines, which wait for nothing.
            await asyncio.sleep(0)
    if rest:
        yield rest


serve(router, "/v1/bulk", "ingest_bulk", receive_bulk)
