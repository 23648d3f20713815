"""An open-loop load of usage for P2: so many events a second, whether or not anybody keeps up.

Sends records of 100 events by a schedule that was fixed before, and says how far behind it the
sender itself ever was. Run in a process of its own; prints one JSON object at the end.
"""

import asyncio
import random
import sys
import time
from datetime import UTC, datetime, timedelta

import msgspec
import uvloop

from shared.bus.producer import Message, Producer
from shared.bus.topics import USAGE_TOPIC

_PACKED = 100
_ACCOUNTS = 1_000
_TICK = 0.02
_NAMES = ("report.exported", "page.viewed", "document.edited", "search.run")
_HEADERS = (("content-type", b"application/cloudevents-batch+json"),)


async def send(bootstrap: str, rate: float, seconds: float, prefix: str) -> dict[str, float]:
    """Send at a rate for some seconds; return what was sent and how late the sender was.

    The accounts are always the same; ids begin with a prefix of the run's own.
    """
    producer = Producer(bootstrap)
    rng = random.Random(5)
    started, sent, late, refused = time.monotonic(), 0, 0.0, 0
    pending: set[asyncio.Task[list[object]]] = set()
    try:
        while (now := time.monotonic() - started) < seconds:
            due = int(now * rate / _PACKED) - sent
            if due > 0:
                late = max(late, now - (sent + 1) * _PACKED / rate)
                records = [_record(rng, prefix, sent + n) for n in range(due)]
                sent += due
                pending.add(asyncio.create_task(producer.send_all(records)))  # type: ignore[arg-type]
            pending = {task for task in pending if not task.done() or _keep(task)}
            await asyncio.sleep(_TICK)
        for answers in await asyncio.gather(*pending):
            refused += sum(answer is not None for answer in answers)
    finally:
        await producer.stop()
    return {"records": sent, "events": sent * _PACKED, "late_seconds": late, "refused": refused}


def _keep(task: "asyncio.Task[list[object]]") -> bool:
    """Let go of what was acknowledged; what was refused is kept to be counted."""
    return any(answer is not None for answer in task.result())


def _record(rng: random.Random, prefix: str, number: int) -> Message:
    account = f"load-{rng.randrange(_ACCOUNTS):05}"
    time_ = (datetime.now(UTC) - timedelta(milliseconds=500)).isoformat(timespec="milliseconds")
    moment = time_.replace("+00:00", "Z")
    events = ",".join(
        f'{{"specversion":"1.0","id":"{prefix}-{number:07}-{n:02}","source":"/bench/load",'
        f'"type":"{_NAMES[n % 4]}","subject":"{account}","time":"{moment}",'
        f'"data":{{"user_id":"user-{n % 7}","properties":{{"plan":"team","ms":{n}}}}}}}'
        for n in range(_PACKED)
    )
    return Message(USAGE_TOPIC, account.encode(), f"[{events}]".encode(), _HEADERS)


if __name__ == "__main__":
    found = uvloop.run(send(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
