"""A load generator for P5: keep-alive connections, each sending ready-made requests in turn.

Bodies are made before the clock starts. Prints one JSON object; what was not answered with 200 is
counted apart. Run in a process of its own.
"""

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import msgspec
import uvloop

_BATCH = 100
_ACCOUNTS_PER_BATCH = 10
_NAMES = ("report.exported", "page.viewed", "document.edited", "search.run")


class Order(msgspec.Struct):
    """What to send: so many batches, from so many connections, to a URL."""

    url: str
    key: str
    prefix: str
    batches: int
    connections: int
    accounts: int = 1_000


class _Connection(asyncio.Protocol):
    """Sends requests from a shared supply until it is empty."""

    def __init__(self, supply: Iterator[bytes], taken: list[float], wrong: list[bytes]) -> None:
        self._supply, self._taken, self._wrong = supply, taken, wrong
        self._buffer, self._sent_at = b"", 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, mark, body = self._buffer.partition(b"\r\n\r\n")
        if not mark or len(body) < _content_length(head):
            return
        self._taken.append(time.perf_counter() - self._sent_at)
        if not head.startswith(b"HTTP/1.1 200"):
            self._wrong.append(self._buffer[:500])
        self._buffer = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._wrong.append(f"connection lost: {exc}".encode())
            self.done.set_result(None)

    def _send(self) -> None:
        request = next(self._supply, None)
        if request is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)  # type: ignore[attr-defined]


def requests(order: Order) -> list[bytes]:
    """Make whole requests: 100 Segment-shaped events of ten accounts each."""
    where = urlsplit(order.url)
    head = (
        f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\n"
        f"Authorization: Bearer {order.key}\r\nContent-Type: application/json\r\n"
    )
    now = datetime.now(UTC) - timedelta(minutes=5)
    made = []
    for batch in range(order.batches):
        body = msgspec.json.encode({"batch": _messages(order, batch, now)})
        made.append(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return made


def _messages(order: Order, batch: int, now: datetime) -> list[dict[str, object]]:
    return [
        {
            "type": "track",
            "messageId": f"{order.prefix}-{batch:06}-{number:02}",
            "event": _NAMES[(batch + number) % len(_NAMES)],
            "userId": f"user-{number % 7}",
            "timestamp": (now + timedelta(milliseconds=number)).isoformat(),
            "context": {
                "groupId": f"http-{(batch * 7 + number % _ACCOUNTS_PER_BATCH) % order.accounts:05}"
            },
            "properties": {"plan": "team", "ms": number},
        }
        for number in range(_BATCH)
    ]


async def send(order: Order) -> dict[str, object]:
    """Send all batches; return how long it took and what went wrong."""
    supply, taken, wrong = iter(requests(order)), list[float](), list[bytes]()
    where = urlsplit(order.url)
    loop = asyncio.get_running_loop()
    started, cpu = time.perf_counter(), time.process_time()
    connections = [
        (
            await loop.create_connection(
                lambda: _Connection(supply, taken, wrong), where.hostname or "", where.port or 80
            )
        )[1]
        for _ in range(order.connections)
    ]
    await asyncio.gather(*(connection.done for connection in connections))
    seconds = time.perf_counter() - started
    return {
        "batches": len(taken),
        "events": (len(taken) - len(wrong)) * _BATCH,
        "seconds": seconds,
        "cpu_seconds": time.process_time() - cpu,
        "wrong": [each.decode(errors="replace") for each in wrong[:3]],
        "wrong_count": len(wrong),
        **_spread(sorted(taken)),
    }


def _spread(taken: Sequence[float]) -> dict[str, float]:
    if not taken:
        return {}
    at = {"p50_ms": 0.5, "p99_ms": 0.99, "max_ms": 1.0}
    last = len(taken) - 1
    return {name: round(taken[int(share * last)] * 1000, 2) for name, share in at.items()}


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


if __name__ == "__main__":
    result = uvloop.run(send(msgspec.json.decode(sys.argv[1], type=Order)))
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
