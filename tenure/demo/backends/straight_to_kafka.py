"""A product backend that publishes CloudEvents straight to Kafka, made with the CloudEvents SDK."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Any

from aiokafka import AIOKafkaProducer
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

_TOPIC = "tenure.usage"
_SOURCE = os.environ.get("SOURCE", "/product")
_ONE = [("content-type", b"application/cloudevents+json")]
_MANY = [("content-type", b"application/cloudevents-batch+json")]


async def main() -> None:
    """Send the days that come in on stdin."""
    producer = AIOKafkaProducer(bootstrap_servers=os.environ["KAFKA_BOOTSTRAP"], acks="all")
    await producer.start()
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            await _send(producer, json.loads(line))
            sys.stdout.write('{"failures": []}\n')
            sys.stdout.flush()
    finally:
        await producer.stop()


async def _send(producer: Any, day: dict[str, Any]) -> None:
    records = [*_records(day["events"]), *((key, raw.encode(), []) for key, raw in day["poison"])]
    sent = [
        await producer.send(_TOPIC, key=key.encode(), value=value, headers=headers)
        for key, value, headers in records
    ]
    await asyncio.gather(*sent)


def _records(events: list[dict[str, Any]]) -> Iterator[tuple[str, bytes, list[Any]]]:
    """Pack the events of an account into one array, and leave the last one on its own."""
    for account, group in groupby(events, key=lambda event: event["account"]):
        made = [_made(event) for event in group]
        if len(made) > 1:
            yield account, b"[" + b",".join(made[:-1]) + b"]", _MANY
        yield account, made[-1], _ONE


def _made(event: dict[str, Any]) -> bytes:
    attributes = {
        "id": event["id"],
        "source": _SOURCE,
        "type": event["event"],
        "subject": event["account"],
        "time": datetime.fromisoformat(event["time"]),
    }
    if event.get("nameless"):
        del attributes["subject"]  # such an event is refused: nobody knows whose it is
    data = {"user_id": event["user"], "properties": {"screen": "main"}}
    return bytes(JSONFormat().write(CloudEvent(attributes, data)))


if __name__ == "__main__":
    asyncio.run(main())
