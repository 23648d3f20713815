"""Batches with an event that somebody made to be in the way: it is rejected, the others count."""

import json
from typing import Any

import httpx
import pytest

from tests.integration.health.test_ingest import backend, track

__all__ = ["backend"]


def nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = [value]
    return value


def group(traits: Any) -> dict[str, Any]:
    return {"type": "group", "messageId": "1", "groupId": "acme", "userId": "u", "traits": traits}


def nameless(properties: Any) -> dict[str, Any]:
    return track("1", context={}, properties=properties)


@pytest.mark.parametrize(
    ("hostile", "code"),
    [
        (nameless({"a": "\0"}), "invalid_text"),
        (nameless({"a\0": 1}), "invalid_text"),
        (group({"name": {"deep": ["\0"]}}), "invalid_text"),
        (track("1", properties={"a": "\0"}), "invalid_text"),
        (nameless({"a": nested(101)}), "too_deep"),
        (group({"a": nested(101)}), "too_deep"),
        (track("1", properties={"a": nested(300)}), "too_deep"),
        (track("1", timestamp="1970-01-01T00:00:00Z"), "invalid_timestamp"),
        (track("1", timestamp="0001-01-01T00:00:00+14:00"), "invalid_timestamp"),
        (track("1", timestamp="a\0b"), "invalid_text"),
        (track("1" * 300), "invalid_messageId"),
    ],
)
async def test_one_hostile_event_does_not_cost_the_others(
    backend: httpx.AsyncClient, hostile: dict[str, Any], code: str
) -> None:
    answer = await backend.post("/v1/batch", json={"batch": [hostile, track("2")]})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["accepted"], answer.json()["rejected"]) == (1, 1)
    strict = await backend.post(
        "/v1/batch", json={"batch": [hostile]}, headers={"x-strict-mode": "1"}
    )
    assert strict.status_code == 400
    assert [(each["index"], each["code"]) for each in strict.json()["errors"]] == [(0, code)]


async def test_what_only_looks_like_a_nul_is_text(backend: httpx.AsyncClient) -> None:
    answer = await backend.post("/v1/batch", json={"batch": [nameless({"a": "\\u0000"})]})
    assert answer.json() == {"success": True, "accepted": 1, "rejected": 0}


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/track", "/v1/events"])
async def test_a_body_nested_without_end_is_no_json_we_read(
    backend: httpx.AsyncClient, path: str
) -> None:
    body = b'{"batch":[{"a":' + b"[" * 100_000
    answer = await backend.post(path, content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("sent_at", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", 5, {}, "x"])
async def test_a_clock_of_another_age_is_not_believed(
    backend: httpx.AsyncClient, sent_at: Any
) -> None:
    body = json.dumps({"sentAt": sent_at, "batch": [track("1")]})
    answer = await backend.post("/v1/batch", content=body)
    assert answer.status_code == 200
