"""Whatever is sent to whatever path: never a 500, and every no has a code and a message."""

import gzip
import json
from typing import Any

import httpx
import pytest

from services.health.api import ROUTERS
from shared.web.shortcut import DirectRoute
from tests.conftest import OpenClient
from tests.integration.health.test_ingest import backend, track

__all__ = ["backend"]

PATHS = sorted(
    {
        route.path
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, DirectRoute) and not route.path.startswith(("/flags", "/decide"))
    }
)
DEEP = b"[" * 5_000 + b"]" * 5_000
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "spaces": b"  \n ",
    "no text": b"\xff\xfe\x00",
    "half a body": b'{"batch": [{',
    "null": b"null",
    "a number": b"7",
    "a text": b'"x"',
    "an array of anything": b'[null, 1, "x", [], {}, [[]]]',
    "a batch of anything": b'{"batch": [null, 1, "x", [], {}, [[]]]}',
    "a batch that is none": b'{"batch": {"a": 1}}',
    "deep": b'{"batch": [{"properties": ' + DEEP + b"}]}",
    "a number without end": b'{"batch": [{"messageId": ' + b"9" * 6_000 + b"}]}",
    "a number out of range": b'{"batch": [{"type": "track", "properties": {"a": 1e999}}]}',
    "half a surrogate": b'{"batch": [{"type": "track", "event": "\\ud800"}]}',
    "broken gzip": b"\x1f\x8b\x08nothing",
    "cut gzip": gzip.compress(b'{"batch": []}' * 99)[:30],
    "a form": b"data=e30&x=%ff",
}
WRONG: list[Any] = [
    None,
    True,
    -1,
    1.5,
    "",
    " ",
    "\0",
    "a\u202eb",
    "x" * 300,
    [],
    ["x"],
    {},
    {"a": 1},
]
MEMBERS = (
    *("type", "event", "messageId", "userId", "anonymousId", "previousId", "groupId", "timestamp"),
    *("context", "properties", "traits", "sentAt", "uuid", "distinct_id", "specversion", "id"),
    *("source", "subject", "time", "data", "backfill", "name", "category"),
)


def whole() -> dict[str, Any]:
    """Return what is a message, a capture and a CloudEvent at once, so that any path reads it."""
    return {
        **track("1"),
        "uuid": "1",
        "distinct_id": "u",
        "specversion": "1.0",
        "id": "1",
        "source": "/shop",
        "subject": "acme",
        "previousId": "v",
        "groupId": "acme",
    }


def check(answer: httpx.Response, sent: object) -> None:
    assert answer.status_code in {200, 400, 401, 413}, (answer.status_code, sent, answer.text)
    found = answer.json()
    if answer.status_code == 200:
        assert "results" in found or found["success"] is True
        return
    assert answer.headers["content-type"] == "application/problem+json", sent
    assert found["code"], sent
    assert found["message"], sent
    assert all(error["code"] and error["message"] for error in found.get("errors") or []), sent


@pytest.mark.parametrize("path", PATHS)
async def test_garbage_is_named_and_strict_mode_takes_none_of_it(
    backend: httpx.AsyncClient, path: str
) -> None:
    strict = {"x-strict-mode": "1"}
    for name, body in BODIES.items():
        check(await backend.post(path, content=body), (path, name))
        answer = await backend.post(path, content=body, headers=strict)
        check(answer, (path, name))
        is_empty = path.startswith("/v1/bulk") and not body.strip()
        assert is_empty or answer.status_code != 200, (path, name, answer.text)


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/track", "/batch", "/v1/events", "/v1/bulk"])
async def test_a_wrong_member_is_never_more_than_a_rejection(
    backend: httpx.AsyncClient, path: str
) -> None:
    events = [{**whole(), member: wrong} for member in MEMBERS for wrong in WRONG]
    if path.endswith("batch"):
        bodies = [json.dumps({"batch": events}).encode()]
    elif path == "/v1/events":
        bodies = [json.dumps(events).encode()]
    elif path == "/v1/bulk":
        bodies = [b"\n".join(json.dumps(event).encode() for event in events)]
    else:
        bodies = [json.dumps(event).encode() for event in events[::7]]
    for body in bodies:
        answer = await backend.post(path, content=body)
        check(answer, (path, body[:200]))
        found = answer.json()
        expected = len(events) if len(bodies) == 1 else 1
        kept = found["accepted"] + found["rejected"] + found.get("ignored", 0)
        assert kept == expected, (path, body[:300], found)


async def test_a_member_of_a_frame_that_is_wrong_is_a_400(backend: httpx.AsyncClient) -> None:
    for frame in ({"writeKey": 7}, {"batch": "x"}, {"api_key": []}, {"historical_migration": 2}):
        for path in ("/v1/batch", "/batch"):
            body = {"batch": [whole()], **frame}
            check(await backend.post(path, json=body), (path, frame))


@pytest.mark.parametrize("first", [b"NaN", b"1"])
@pytest.mark.parametrize("path", ["/v1/batch", "/batch", "/e"])
async def test_too_many_events_are_refused_before_anything_is_done_with_each(
    open_client: OpenClient, path: str, first: bytes
) -> None:
    client = await open_client("health")
    answer = await client.post(path, content=b'{"batch":[%b%b]}' % (first, b",1" * 10_000))
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
