"""What product backends send becomes usage, or a rejection they can read."""

import base64
import gzip
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.health.jobs.upkeep import forget_intake
from shared.kernel.clock import FixedClock
from tests.conftest import OpenClient, OpenDatabase, make_key


def track(message_id: str, **changes: Any) -> dict[str, Any]:
    message = {
        "type": "track",
        "messageId": message_id,
        "event": "report.exported",
        "userId": "u1",
        "context": {"groupId": "acme"},
        "timestamp": "2026-03-02T11:00:00Z",
    }
    return {**message, **changes}


@pytest.fixture
async def backend(open_client: OpenClient, open_database: OpenDatabase) -> httpx.AsyncClient:
    client = await open_client("health")
    key = await make_key(await open_database("health"), ["usage:write"], "billing")
    token = base64.b64encode(f"{key}:".encode()).decode()
    client.headers["Authorization"] = f"Basic {token}"
    return client


async def test_a_batch_answers_exactly_200(backend: httpx.AsyncClient) -> None:
    answer = await backend.post("/v1/batch", json={"batch": [track("1")]})
    assert (answer.status_code, answer.json()["success"]) == (200, True)


async def test_gzip_is_read_whatever_its_label_says(backend: httpx.AsyncClient) -> None:
    body = gzip.compress(json.dumps({"batch": [track("1")]}).encode())
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await backend.post("/v1/batch/", content=body, headers=headers)
    assert answer.json() == {"success": True, "accepted": 1, "rejected": 0}


async def test_a_gzip_bomb_is_refused_before_it_is_unpacked(backend: httpx.AsyncClient) -> None:
    answer = await backend.post("/v1/batch", content=gzip.compress(b"0" * 64 * 1024 * 1024))
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"batch": 1}', b"\xff\xfe", b"null"])
async def test_what_is_no_batch_is_a_400_with_code_and_message(
    backend: httpx.AsyncClient, body: bytes
) -> None:
    answer = await backend.post("/v1/batch", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")
    assert answer.json()["message"]


async def test_an_unknown_write_key_is_a_401(backend: httpx.AsyncClient) -> None:
    answer = await backend.post(
        "/v1/batch", json={"batch": []}, headers={"Authorization": "Basic bm9wZTo="}
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_write_key")


async def test_a_bad_event_is_a_rejection_and_the_rest_of_the_batch_counts(
    backend: httpx.AsyncClient, open_client: OpenClient
) -> None:
    batch = [track("1"), track("2", event=""), track("3", timestamp="yesterday"), 7]
    answer = await backend.post("/v1/batch", json={"batch": batch})
    assert answer.json() == {"success": True, "accepted": 1, "rejected": 3}
    reader = await open_client("health", scopes=["health:read"])
    listed = (await reader.get("/api/v1/rejections")).json()["data"]
    assert [row["code"] for row in listed] == [
        "not_an_object",
        "invalid_timestamp",
        "missing_event",
    ]
    assert {row["source"] for row in listed} == {"billing"}


async def test_the_same_rejection_sent_again_is_one_rejection(
    backend: httpx.AsyncClient, open_client: OpenClient
) -> None:
    for _ in range(2):
        await backend.post("/v1/batch", json={"batch": [track("2", event="")]})
    reader = await open_client("health", scopes=["health:read"])
    assert len((await reader.get("/api/v1/rejections")).json()["data"]) == 1


async def test_each_of_several_bad_events_with_one_id_is_a_rejection(
    backend: httpx.AsyncClient, open_client: OpenClient
) -> None:
    await backend.post("/v1/batch", json={"batch": [track("2", event="")]})
    await backend.post("/v1/batch", json={"batch": [track("2", timestamp="yesterday")]})
    long_ids = [track("x" * 256 + end) for end in "ab"]
    await backend.post("/v1/batch", json={"batch": long_ids})
    reader = await open_client("health", scopes=["health:read"])
    listed = (await reader.get("/api/v1/rejections")).json()["data"]
    assert sorted(row["code"] for row in listed) == [
        "invalid_messageId",
        "invalid_messageId",
        "invalid_timestamp",
        "missing_event",
    ]


@pytest.mark.parametrize("word", ["1", "true", "Yes", "strict"])
async def test_strict_mode_refuses_the_whole_batch_and_names_each_event(
    backend: httpx.AsyncClient, word: str
) -> None:
    answer = await backend.post(
        "/v1/batch",
        json={"batch": [track("1"), track("2", event="")]},
        headers={"X-Strict-Mode": word},
    )
    assert answer.status_code == 400
    assert [(e["index"], e["code"]) for e in answer.json()["errors"]] == [(1, "missing_event")]


@pytest.mark.parametrize("word", ["", "0", "False", "no"])
async def test_a_word_that_says_no_is_not_strict(backend: httpx.AsyncClient, word: str) -> None:
    batch = {"batch": [track("1"), track("2", event="")]}
    answer = await backend.post("/v1/batch", json=batch, headers={"X-Strict-Mode": word})
    assert answer.json() == {"success": True, "accepted": 1, "rejected": 1}


async def test_a_write_key_opens_nothing_else(backend: httpx.AsyncClient) -> None:
    assert (await backend.get("/api/v1/accounts")).status_code == 403


async def test_an_event_without_an_account_waits_until_somebody_says_whose_it_is(
    backend: httpx.AsyncClient, open_client: OpenClient
) -> None:
    await backend.post("/v1/track", json=track("9", context={}))
    csm = await open_client("health", scopes=["health:read", "health:write"])
    waiting = (await csm.get("/api/v1/unattributed")).json()["data"]
    assert [(row["event_id"], row["user_id"]) for row in waiting] == [("9", "u1")]
    answer = await csm.post(
        "/api/v1/unattributed/attribute", json={"user_id": "u1", "account_id": "acme"}
    )
    assert answer.json() == {"events": 1}
    assert (await csm.get("/api/v1/unattributed")).json()["data"] == []


async def test_cloudevents_are_taken_one_many_and_binary(backend: httpx.AsyncClient) -> None:
    event = {"specversion": "1.0", "id": "a", "source": "/shop", "type": "seen", "subject": "acme"}
    one = await backend.post("/v1/events", json=event)
    many = await backend.post("/v1/events", json=[event, {**event, "id": "b", "subject": ""}])
    headers = {f"ce-{name}": value for name, value in event.items()}
    binary = await backend.post("/v1/events", content=b'{"user_id": "u"}', headers=headers)
    assert [a.json()["accepted"] for a in (one, many, binary)] == [1, 1, 1]
    assert many.json()["rejected"] == 1


async def test_attributes_in_headers_may_stand_in_quotes(
    backend: httpx.AsyncClient, open_client: OpenClient
) -> None:
    """As the HTTP protocol binding of CloudEvents has it: quotes come off, then percents."""
    headers = {
        "ce-specversion": '"1.0"',
        "ce-id": r'"a \"1\""',
        "ce-source": '"/sh%C3%B6p"',
        "ce-type": '"seen"',
        "ce-subject": '"acme"',
        "ce-time": '"yesterday"',
    }
    answer = await backend.post("/v1/events", content=b"{}", headers=headers)
    assert answer.json()["rejected"] == 1
    csm = await open_client("health", scopes=["health:read"])
    (refused,) = (await csm.get("/api/v1/rejections")).json()["data"]
    assert (refused["event_id"], refused["source"]) == ('a "1"', "/shöp")
    assert refused["code"] == "invalid_timestamp"
    del headers["ce-time"]
    answer = await backend.post("/v1/events", content=b"{}", headers=headers)
    assert answer.json() == {"success": True, "accepted": 1, "rejected": 0}


async def test_refused_and_unattributed_events_are_forgotten_past_their_days(
    backend: httpx.AsyncClient,
    open_client: OpenClient,
    open_database: OpenDatabase,
    clock: FixedClock,
) -> None:
    reader = await open_client("health", scopes=["health:read", "health:write"])
    health = await open_database("health")

    async def known() -> list[int]:
        pages = ("/api/v1/rejections", "/api/v1/unattributed")
        return [len((await reader.get(page)).json()["data"]) for page in pages]

    bad, of_nobody = track("1", event=""), track("2", context={})
    await backend.post("/v1/batch", json={"batch": [bad, of_nobody]})
    clock.advance(timedelta(days=89))
    await backend.post("/v1/batch", json={"batch": [track("3", event="")]})
    await forget_intake(health)
    assert await known() == [2, 1]
    clock.advance(timedelta(days=2))
    await forget_intake(health)
    assert await known() == [1, 0]
