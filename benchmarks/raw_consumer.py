"""The baseline of P1: read the usage topic and decode it, and do nothing else.

Reads with the fetch sizes of Tenure's own consumer, decodes with msgspec what Tenure decodes, and
prints a JSON object whenever it has seen as many events as it was told to expect next.
"""

import asyncio
import sys
import time
from datetime import datetime

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer

from shared.bus.topics import USAGE_TOPIC

_MAX_RECORDS = 5_000
_FETCH_BYTES = 1024 * 1024
_GIVE_UP = 180.0


class _Data(msgspec.Struct, gc=False):
    user_id: str | None = None


class _Event(msgspec.Struct, gc=False):
    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: _Data


_DECODER = msgspec.json.Decoder(list[_Event] | _Event)


async def consume(bootstrap: str, group: str, marks: list[int]) -> None:
    """Read until the last mark."""
    client = AIOKafkaConsumer(
        USAGE_TOPIC,
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=6_000,
        heartbeat_interval_ms=1_000,
        fetch_max_wait_ms=250,
        fetch_max_bytes=8 * 1024 * 1024,
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    await client.start()
    try:
        async with asyncio.timeout(_GIVE_UP):
            await _read(client, marks)
    finally:
        await client.stop()


async def _read(client: AIOKafkaConsumer, marks: list[int]) -> None:
    seen = 0
    while marks:
        fetched = await client.getmany(timeout_ms=200, max_records=_MAX_RECORDS)
        for records in fetched.values():
            for record in records:
                decoded = _DECODER.decode(record.value)
                seen += len(decoded) if isinstance(decoded, list) else 1
        if seen >= marks[0]:
            marks.pop(0)
            # This clock is the same in every process of the machine.
            _say({"seen": seen, "at": time.monotonic()})


def _say(what: dict[str, float]) -> None:
    sys.stdout.write(msgspec.json.encode(what).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(consume(sys.argv[1], sys.argv[2], [int(mark) for mark in sys.argv[3:]]))
