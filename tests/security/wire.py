"""HTTP as bytes: what a client library would refuse to send must reach the service as it is."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

_WITHIN = 30.0
Headers = Mapping[bytes, bytes]


@dataclass(frozen=True)
class Request:
    """One request, byte for byte; ``target`` is what the request line names."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes = b""

    @property
    def raw(self) -> bytes:
        headers = {b"Host": b"tenure.test", b"Content-Length": b"%d" % len(self.body)}
        lines = [b"%s: %s\r\n" % pair for pair in {**headers, **self.headers}.items()]
        return b"".join([b"%s %s HTTP/1.1\r\n" % (self.method, self.target), *lines, b"\r\n"])


@dataclass(frozen=True)
class Answer:
    """An answer; the body of a live stream is left unread."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """A connection that stays open for as long as the server keeps it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: Request) -> Answer:
        """Send a request and return its answer."""
        return await self.send(request.raw + request.body, has_body=request.method != b"HEAD")

    async def send(self, raw: bytes, *, has_body: bool = True) -> Answer:
        """Send bytes and return the answer to them."""
        async with asyncio.timeout(_WITHIN):
            if self._open is None:
                self._open = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._open
            writer.write(raw)
            answer = await _read(reader, has_body=has_body)
        if answer.headers.get("connection") == "close" or "content-length" not in answer.headers:
            await self.close()
        return answer

    async def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None


async def _read(reader: asyncio.StreamReader, *, has_body: bool) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *rest = head.rstrip().split("\r\n")
    pairs = (each.partition(":") for each in rest)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    size = int(headers.get("content-length", 0)) if has_body else 0
    return Answer(int(line.split(" ")[1]), headers, await reader.readexactly(size))


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[Wire]:
    """Serve an app as `tenure serve` does, until the block ends."""
    # Named as TCP, or asyncio would leave Nagle's algorithm on: 40 ms for each answer.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
        server = uvicorn.Server(config)
        # The socket listens already: the first request waits in it until the app has started.
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        wire = Wire(listening.getsockname()[1])
        try:
            yield wire
        finally:
            await wire.close()
            server.should_exit = True
            await serving
