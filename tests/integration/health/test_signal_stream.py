"""Signals straight from Kafka: each exactly once, and what is wrong can be read."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer

from services.health.listeners import SignalStream
from shared.bus.client import Subscription
from shared.bus.consumer import Batch, Consumer
from shared.bus.retry import Backoff
from shared.bus.topics import SIGNALS_TOPIC, Cluster
from shared.db import inbox
from shared.db.transaction import Database
from tests.conftest import NOON, OpenDatabase
from tests.integration.shared.conftest import eventually
from tests.stacks import Stack

GROUP = "tenure.health.signals"


@dataclass
class FakeRecord:
    value: bytes
    offset: int
    topic: str = SIGNALS_TOPIC
    partition: int = 0
    key: bytes | None = b"acme"
    timestamp: int = int(NOON.timestamp() * 1000)
    headers: list[tuple[str, bytes]] = field(default_factory=list)


def event(event_id: str, kind: str = "payment_failed", **changes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/billing",
        "type": f"io.tenure.signal.{kind}",
        "subject": "acme",
        "time": "2026-03-02T11:00:00Z",
        "data": {},
        **changes,
    }


def batch(*values: Any, start: int = 0) -> Batch:
    records = [
        FakeRecord(v if isinstance(v, bytes) else json.dumps(v).encode(), start + n)
        for n, v in enumerate(values)
    ]
    return Batch(SIGNALS_TOPIC, 0, start, records)


@pytest.fixture
async def health(open_database: OpenDatabase) -> Database:
    database = await open_database("health")
    async with database.transaction() as tx:
        await inbox.start_position(tx, GROUP, SIGNALS_TOPIC, {0: 0}, log_id="test")
    return database


@pytest.fixture
def stream(health: Database) -> SignalStream:
    return SignalStream(health, backoff=Backoff(first=0.001, attempts=2))


async def rows(database: Database, sql: str) -> Sequence[Any]:
    async with database.transaction() as tx:
        return await tx.fetch_all(sql)


async def position(database: Database) -> int:
    async with database.transaction() as tx:
        return int(await tx.fetch_value("SELECT next_offset FROM positions"))


async def test_a_signal_opens_its_risk_and_moves_the_position(
    health: Database, stream: SignalStream
) -> None:
    await stream.handle([batch(event("1"), event("2", "nps_answered", data={"value": 9}))], GROUP)
    kept = await rows(health, "SELECT type, value, source, external_id FROM signals ORDER BY id")
    assert [tuple(row.values()) for row in kept] == [
        ("payment_failed", None, "/billing", "1"),
        ("nps_answered", 9, "/billing", "2"),
    ]
    (risk,) = await rows(health, "SELECT reason, status FROM risks")
    assert tuple(risk.values()) == ("payment_failed", "open")
    assert await position(health) == 2


async def test_the_same_signal_sent_again_and_again_counts_once(
    health: Database, stream: SignalStream
) -> None:
    await stream.handle([batch(event("1"), event("1"))], GROUP)
    await stream.handle([batch(event("1"), event("1", source="/other"), start=2)], GROUP)
    assert len(await rows(health, "SELECT id FROM signals")) == 2
    assert await position(health) == 4


async def test_a_batch_that_comes_too_late_changes_nothing(
    health: Database, stream: SignalStream
) -> None:
    await stream.handle([batch(event("1"))], GROUP)
    with pytest.raises(inbox.Fenced):
        await stream.handle([batch(event("2"))], GROUP)
    assert len(await rows(health, "SELECT id FROM signals")) == 1


async def test_a_type_alone_and_binary_mode_are_understood(
    health: Database, stream: SignalStream
) -> None:
    attributes = event("2", "champion_left")
    binary = FakeRecord(
        b"{}",
        1,
        headers=[
            (f"ce_{name}", str(attributes[name]).encode())
            for name in ("specversion", "id", "source", "type", "subject", "time")
        ],
    )
    records = batch(event("1", type="payment_failed")).records
    await stream.handle([Batch(SIGNALS_TOPIC, 0, 0, [*records, binary])], GROUP)
    kept = await rows(health, "SELECT type FROM signals ORDER BY id")
    assert [row["type"] for row in kept] == ["payment_failed", "champion_left"]


async def test_when_it_was_observed_comes_before_when_it_was_said(
    health: Database, stream: SignalStream
) -> None:
    observed = {"observed_at": "2026-02-01T00:00:00+01:00"}
    ahead = event("2", time="2026-03-02T12:00:07Z")
    await stream.handle([batch(event("1", data=observed), ahead)], GROUP)
    kept = await rows(health, "SELECT observed_at FROM signals ORDER BY observed_at")
    assert [row["observed_at"].isoformat() for row in kept] == [
        "2026-01-31T23:00:00+00:00",
        NOON.isoformat(),
    ]


WRONG: list[tuple[dict[str, Any], str, str]] = [
    (event("1", "mood"), "unknown_signal_type", "is none of"),
    (event("1", "nps_answered", data={"value": 11}), "signal_value_invalid", "0 to 10"),
    (event("1", "nps_answered"), "signal_value_invalid", "0 to 10"),
    (event("1", data={"value": [1]}), "invalid_signal", "data.value"),
    (event("1", data={"value": True}), "invalid_signal", "data.value"),
    (event("1", data={"observed_at": "now"}), "invalid_signal", "data.observed_at"),
    (
        event("1", data={"observed_at": "0001-01-01T00:00:00+14:00"}),
        "invalid_signal",
        "data.observed_at",
    ),
    (event("1", data={"observed_at": "1969-12-31T23:59:59Z"}), "invalid_signal", "before 1970"),
    (event("1", subject="a b"), "invalid_signal", "subject"),
    (event("x" * 300), "invalid_signal", "id"),
    (event("a\x00b"), "invalid_signal", "id"),
]


@pytest.mark.parametrize(("wrong", "code", "words"), WRONG)
async def test_what_is_no_signal_becomes_a_rejection_and_the_rest_counts(
    health: Database, stream: SignalStream, wrong: dict[str, Any], code: str, words: str
) -> None:
    await stream.handle([batch(wrong, event("good"))], GROUP)
    (rejection,) = await rows(health, "SELECT * FROM rejections")
    assert (rejection["code"], rejection["source"]) == (code, "/billing")
    assert words in rejection["message"]
    assert [row["external_id"] for row in await rows(health, "SELECT * FROM signals")] == ["good"]
    assert await position(health) == 2


@pytest.mark.parametrize(
    "poison",
    [
        b"\x00\xff",
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        json.dumps(event("1", data=[1])).encode(),
        json.dumps(event("1", time="yesterday")).encode(),
    ],
)
async def test_poison_is_set_aside_as_it_is_and_the_rest_counts(
    health: Database, stream: SignalStream, poison: bytes
) -> None:
    await stream.handle([batch(poison, event("good"))], GROUP)
    (letter,) = await rows(health, "SELECT value, code FROM dead_letters")
    assert (bytes(letter["value"] or b""), letter["code"]) == (poison, "malformed_event")
    assert len(await rows(health, "SELECT id FROM signals")) == 1
    assert await position(health) == 2


async def test_through_a_broker_duplicates_and_poison_are_each_kept_once(
    open_database: OpenDatabase, stack: Stack
) -> None:
    """The road of production: producer, broker, consumer, and a second life after the first."""
    health = await open_database("health")
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap)
    await producer.start()
    mark = uuid4().hex[:12]
    sent = [event(f"{mark}-{n % 5}", source=f"/{mark}") for n in range(10)]
    for each in sent:
        await producer.send_and_wait(SIGNALS_TOPIC, json.dumps(each).encode(), key=b"acme")
    await producer.send_and_wait(SIGNALS_TOPIC, f"poison {mark}".encode(), key=b"acme")
    await producer.stop()
    for _ in range(2):
        await _consume(health, stack, f"test.{mark}", lambda: _has(health, f"poison {mark}"))
    kept = await rows(health, f"SELECT external_id FROM signals WHERE source = '/{mark}'")
    assert sorted(row["external_id"] for row in kept) == [f"{mark}-{n}" for n in range(5)]
    letters = await rows(health, "SELECT value FROM dead_letters")
    assert [bytes(row["value"]) for row in letters].count(f"poison {mark}".encode()) == 1


async def _has(health: Database, poison: str) -> bool:
    letters = await rows(health, "SELECT value FROM dead_letters")
    return poison.encode() in [bytes(row["value"] or b"") for row in letters]


async def _consume(
    health: Database, stack: Stack, group: str, is_done: Callable[[], Awaitable[bool]]
) -> None:
    stop = asyncio.Event()
    cluster = Cluster(stack.bootstrap)
    consumer = Consumer(
        Subscription(group, [SIGNALS_TOPIC], None, session_seconds=stack.session_seconds),
        SignalStream(health),
        bootstrap=stack.bootstrap,
        database=health,
        cluster=cluster,
    )
    running = asyncio.create_task(consumer.run(stop))
    try:
        await eventually(is_done, within=50, what="everything is consumed")
    finally:
        stop.set()
        await running
        await cluster.close()
