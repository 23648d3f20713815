"""Records that somebody made to stop the stream: none does, and the good ones beside count."""

import json
import secrets
from datetime import UTC, datetime
from typing import Any

import pytest

from services.health.domain.usage.event import Reception, UsageEvent, read_cloudevent
from services.health.listeners import UsageStream, usage_records
from shared.bus.batches import Batch
from shared.contracts.event import Event, MalformedEvent
from shared.db.transaction import Database
from tests.conftest import NOON
from tests.integration.health.test_usage_stream import (
    GROUP,
    TOPIC,
    FakeRecord,
    batch,
    counted,
    event,
    health,
    stream,
    value,
)

__all__ = ["health", "stream"]

DEEP = b'{"specversion":"1.0","data":' + b"[" * 100_000


def nested(depth: int) -> bytes:
    return b'{"specversion":"1.0","data":' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(DEEP, id="nested without end"),
        *(pytest.param(nested(depth), id=f"nested {depth}") for depth in range(900, 1000, 7)),
        pytest.param(event(secrets.token_hex(20_000)), id="an endless id"),
        pytest.param(event("1", source=secrets.token_hex(20_000)), id="an endless source"),
        pytest.param(event("1", type=secrets.token_hex(20_000)), id="an endless name"),
        pytest.param(event("1", data={"user_id": "u" * 20_000}), id="an endless user"),
        pytest.param(event("1", subject="a" * 20_000), id="an endless account"),
        pytest.param(event("1", time="9" * 20_000), id="an endless time"),
        pytest.param(event("1", time="0001-01-01T00:00:00+14:00"), id="before all time"),
        pytest.param(event("1", time=1e300), id="a time that is a number"),
        pytest.param(event("a\0b"), id="NUL in the id"),
        pytest.param(event("1", source="a\0b", subject=None), id="NUL in the source"),
        pytest.param(event("1", source={"a": ["\0"]}), id="NUL in what is no source"),
        pytest.param(event({"$ne": 1}), id="an id that is an object"),  # type: ignore[arg-type]
        pytest.param(event("1", subject="\u202e"), id="an account written backwards"),
        pytest.param(b"\x00" * 1000, id="NULs"),
        pytest.param(b"\xff\xfe{", id="no text"),
        pytest.param([None, 1, "x", [], {}], id="an array of anything"),
        pytest.param(b"[" + b"[]," * 1000 + b"[]]", id="an array of arrays"),
    ],
)
async def test_a_hostile_record_is_set_aside_and_the_next_one_counts(
    health: Database, stream: UsageStream, hostile: Any
) -> None:
    await stream.handle([batch(hostile, event("good"))], GROUP)
    assert await counted(health) == 1
    sql = "SELECT (SELECT count(*) FROM rejections) + (SELECT count(*) FROM dead_letters)"
    assert await value(health, sql) >= 1


async def test_an_event_that_we_fail_to_read_is_a_rejection(
    health: Database, stream: UsageStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(message: object, reception: Reception) -> UsageEvent:
        found = read_cloudevent(message, reception)
        if found.id == "odd":
            raise RuntimeError("a mistake of ours")
        return found

    monkeypatch.setattr(usage_records, "read_cloudevent", stumble)
    # In base64 they are read one by one.
    odd, fine = (event(one, data=None, data_base64="e30=") for one in ("odd", "fine"))
    await stream.handle([batch([odd, fine])], GROUP)
    assert await counted(health) == 1
    sql = "SELECT string_agg(code || ': ' || event_id, '') FROM rejections"
    assert await value(health, sql) == "defect: odd"


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"])
async def test_an_event_of_a_clock_at_zero_is_refused_and_no_day_since_then_is_sealed(
    health: Database, stream: UsageStream, time: str
) -> None:
    async with health.transaction() as tx:
        await tx.execute(
            "INSERT INTO accounts (account_id, first_seen_at, time_zone) "
            "VALUES ('acme', :now, 'America/New_York')",
            now=NOON,
        )
    await stream.handle([batch(event("1", time=time), event("2"))], GROUP)
    assert await counted(health) == 1
    assert await value(health, "SELECT code FROM rejections") == "invalid_timestamp"
    assert str(await value(health, "SELECT first_day FROM accounts")) == "2026-03-02"


@pytest.mark.parametrize("stamp", [-1, 0, 2**62, -(2**62)])
async def test_a_record_with_an_impossible_stamp_came_in_when_it_was_read(
    health: Database, stream: UsageStream, stamp: int
) -> None:
    record = FakeRecord(json.dumps(event("1")).encode(), 0, timestamp=stamp)
    await stream.handle([Batch(TOPIC, 0, 0, [record])], GROUP)
    assert await value(health, "SELECT day FROM usage_daily") == NOON.date()


@pytest.mark.parametrize("value", [DEEP, b"", b"\xff", b"[]", b'{"specversion":"1.0","id":1}'])
def test_a_domain_event_that_is_none_is_refused_by_name(value: bytes) -> None:
    with pytest.raises(MalformedEvent):
        Event.from_record(value, {})


def test_a_sender_with_a_clock_of_another_age_is_not_corrected() -> None:
    reception = Reception("/shop", NOON, sent_at=datetime(9999, 1, 1, tzinfo=UTC))
    found = read_cloudevent(event("1"), reception)
    assert found.time == datetime(2026, 3, 2, 11, tzinfo=UTC)
