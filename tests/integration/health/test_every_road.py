"""A CloudEvent fares the same by HTTP and straight from Kafka, in whichever form it is."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from services.health.listeners import UsageStream
from services.health.storage.usage import raw
from services.health.usecases.files.files import load_profile
from shared.bus.batches import Batch
from shared.db.transaction import Database
from tests.conftest import NOON
from tests.integration.health.test_ingest import backend
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

__all__ = ["backend", "health", "stream"]

PLAIN = event("plain")
DATA = {"user_id": "u1", "properties": {"seats": 3}}


def packed(data: bytes, **changes: Any) -> dict[str, Any]:
    given = event("1", data_base64=base64.b64encode(data).decode(), **changes)
    del given["data"]
    return given


async def refusals(database: Database) -> list[tuple[str, str, str | None]]:
    """Return what was refused, and forget it."""
    async with database.transaction() as tx:
        rows = await tx.fetch_all("DELETE FROM rejections RETURNING code, message, event_id")
    return sorted((row["code"], row["message"], row["event_id"]) for row in rows)


REFUSED = {
    "a blank user": (event("1", data={"user_id": "  "}), "invalid_user_id"),
    "a blank id": (event(" "), "missing_id"),
    "a blank source": (event("1", source="   "), "missing_source"),
    "a blank name": (event("1", type=" "), "missing_type"),
    "a user without end": (event("1", data={"user_id": "u" * 257}), "invalid_user_id"),
    "a user that cannot be printed": (event("1", data={"user_id": "a\u202eb"}), "invalid_user_id"),
    "a user that is an object": (event("1", data={"userId": {"a": 1}}), "invalid_userId"),
    "a user by the other name": (event("1", data={"userId": "\t"}), "invalid_userId"),
    "properties that are a list": (event("1", data={"properties": [1]}), "invalid_properties"),
    "data that is a text": (event("1", data="{}"), "invalid_data"),
    "data that is a number": (event("1", data=7), "invalid_data"),
    "a NUL in a property": (event("1", data={"properties": {"a": "\0"}}), "invalid_text"),
    "nested too deeply": (
        event("1", data={"properties": {"a": json.loads("[" * 150 + "]" * 150)}}),
        "too_deep",
    ),
    "too large": (event("1", data={"properties": {"a": "x" * 33_000}}), "event_too_large"),
    "packed data that is no JSON": (
        packed(b"\x08\x96\x01", datacontenttype="application/x-protobuf"),
        "invalid_data",
    ),
    "packed data that is no object": (packed(b"7"), "invalid_data"),
    "packed data with a NUL": (packed(b'{"properties": {"a": "\\u0000"}}'), "invalid_text"),
    "packed data that is not packed": ({**packed(b""), "data_base64": "{}"}, "invalid_data_base64"),
    "an impossible time": (event("1", time="2026-02-30T00:00:00Z"), "invalid_timestamp"),
    "no account": (event("1", subject="no spaces"), "missing_account"),
}


@pytest.mark.parametrize(("wrong", "code"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("sums", [{}, {"report.exported": frozenset({"a"})}], ids=["", "summed"])
async def test_what_http_refuses_kafka_refuses_in_the_same_words(
    backend: httpx.AsyncClient,
    health: Database,
    wrong: Mapping[str, Any],
    code: str,
    sums: Mapping[str, frozenset[str]],
) -> None:
    await backend.post("/v1/events", content=json.dumps([wrong, PLAIN]))
    by_http = await refusals(health)
    assert [found for found, _, _ in by_http] == [code]
    stream = UsageStream(health, load_profile(), sums=lambda: sums)
    await stream.handle([batch(wrong, PLAIN)], GROUP)
    assert await refusals(health) == by_http
    assert await counted(health) == 1
    if code != "too_deep":  # of an array, depth is not looked at
        await stream.handle([batch([event("2"), wrong, event("3")], start=2)], GROUP)
        assert await refusals(health) == by_http
        assert await counted(health) == 3


SEATS = {"seats": 3}
TAKEN = {
    "packed JSON": (packed(json.dumps(DATA).encode()), "u1", SEATS),
    "packed JSON by its name": (
        packed(json.dumps(DATA).encode(), datacontenttype="application/vnd.shop+json"),
        "u1",
        SEATS,
    ),
    "a user by the other name": (
        event("1", data={"userId": "u1", "properties": SEATS}),
        "u1",
        SEATS,
    ),
    "a user who begins with a space": (event("1", data={"user_id": " u1"}), " u1", {}),
    "an empty array of PHP": (event("1", data=[]), None, {}),
    "no data": ({key: each for key, each in PLAIN.items() if key != "data"}, None, {}),
    "a face in escapes": (
        event("1", data={"user_id": "u1", "properties": {"a": "\U0001f600"}}),
        "u1",
        {"a": "\U0001f600"},
    ),
}


@pytest.mark.parametrize(("sent", "user_id", "properties"), TAKEN.values(), ids=TAKEN)
async def test_what_is_counted_is_kept_with_its_user_and_properties(
    health: Database,
    stream: UsageStream,
    sent: Mapping[str, Any],
    user_id: str | None,
    properties: Mapping[str, Any],
) -> None:
    await stream.handle([batch(sent)], GROUP)
    assert await refusals(health) == []
    async with health.transaction() as tx:
        (kept,) = [each async for each in raw.read(tx, NOON.date(), NOON.date())]
    assert (kept.user_id, json.loads(kept.properties)) == (user_id, properties)
    assert await value(health, "SELECT min(user_id) FROM usage_users") == user_id


BINARY = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "report.exported"}
BODIES: Sequence[tuple[bytes, str | None, str | None]] = [
    (json.dumps(DATA).encode(), "application/json", None),
    (json.dumps(DATA).encode(), None, None),
    (json.dumps(DATA).encode(), "application/x-www-form-urlencoded", None),
    (b"", "text/plain", None),
    (b"\x08\x96\x01", "application/x-protobuf", "invalid_data"),
    (json.dumps(DATA).encode("utf-16"), "application/json; charset=utf-16", "invalid_data"),
    (b"user_id=u1", "application/x-www-form-urlencoded", "invalid_data"),
    (b"[" * 10_000, "application/json", "too_deep"),
    (b'"u1"', "application/json", "invalid_data"),
    (b"NaN", None, "invalid_data"),
]


@pytest.mark.parametrize("given", BODIES)
async def test_binary_mode_counts_json_and_says_what_else_it_was_given(
    backend: httpx.AsyncClient,
    health: Database,
    stream: UsageStream,
    given: tuple[bytes, str | None, str | None],
) -> None:
    body, label, code = given
    attributes = {**BINARY, "subject": "acme", "time": "2026-03-02T11:00:00Z"}
    headers = {f"ce-{name}": quote(text, safe="/:") for name, text in attributes.items()}
    named = {} if label is None else {"content-type": label}
    answer = await backend.post("/v1/events", content=body, headers={**headers, **named})
    assert answer.json()["rejected"] == (1 if code else 0), answer.text
    by_http = await refusals(health)
    assert [found for found, _, _ in by_http] == ([code] if code else [])
    attached = [(f"ce_{name}", text.encode()) for name, text in attributes.items()]
    attached += [(name, text.encode()) for name, text in named.items()]
    await stream.handle([Batch(TOPIC, 0, 0, [FakeRecord(body, 0, headers=attached)])], GROUP)
    assert await refusals(health) == by_http
    assert await value(health, "SELECT count(*) FROM usage_users") == (
        1 if body[:2] == b'{"' else 0
    )
    assert await counted(health) == (0 if code else 1)


@pytest.mark.parametrize("days", [6, 8])
async def test_what_is_older_than_a_week_is_history(
    health: Database, stream: UsageStream, days: int
) -> None:
    old = (NOON - timedelta(days=days)).isoformat()
    await stream.handle([batch(event("1", time=old), event("2", time=old, data={}))], GROUP)
    is_past = await value(health, "SELECT backfilled_at IS NOT NULL FROM accounts")
    assert is_past is (days > 7)


async def test_history_in_binary_mode_says_so_in_a_header(
    health: Database, stream: UsageStream
) -> None:
    headers = [(f"ce_{name}", text.encode()) for name, text in BINARY.items()]
    headers += [("ce_subject", b"acme"), ("ce_backfill", b"true")]
    await stream.handle([Batch(TOPIC, 0, 0, [FakeRecord(b"", 0, headers=headers)])], GROUP)
    assert await value(health, "SELECT backfilled_at IS NOT NULL FROM accounts") is True


async def test_half_a_surrogate_beside_what_counts_spoils_its_event_alone(
    backend: httpx.AsyncClient, health: Database, stream: UsageStream
) -> None:
    half = event("1", data={"properties": {"a": "\ud800"}})
    endless = event("2", data={"properties": {"a": float("nan")}})
    body = json.dumps([half, endless, event("3")])
    await backend.post("/v1/events", content=body)
    by_http = await refusals(health)
    assert [code for code, _, _ in by_http] == ["invalid_json", "invalid_json"]
    await stream.handle([batch(body.encode())], GROUP)
    assert await refusals(health) == by_http
    assert await counted(health) == 1


async def test_a_byte_order_mark_is_no_part_of_an_event(
    health: Database, stream: UsageStream
) -> None:
    marked = [b"\xef\xbb\xbf" + json.dumps(each).encode() for each in (event("1"), [event("2")])]
    await stream.handle([batch(*marked)], GROUP)
    assert await counted(health) == 2


async def test_an_event_too_large_is_found_in_a_large_array(
    health: Database, stream: UsageStream
) -> None:
    many = [event(str(n), data={"properties": {"a": "x" * 1_000}}) for n in range(99)]
    large = event("large", data={"properties": {"a": "x" * 32_768}})
    await stream.handle([batch(many), batch([*many[:50], large, *many[50:]], start=1)], GROUP)
    assert [(code, found) for code, _, found in await refusals(health)] == [
        ("event_too_large", "large")
    ]
    assert await counted(health) == 99
