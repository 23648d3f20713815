"""The SDKs of Segment, RudderStack and PostHog, in Python and Node, as they are published.

Each talks to a running service and knows nothing of these tests; what counts is what Postgres has
counted in the end, and what the SDK tells the program that uses it.
"""

import base64
import json
import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.clients.conftest import CLIENTS, Crowd
from tests.product import Product, eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


def all_counted(crowd: Crowd, events: int) -> bool:
    return all(crowd.counted(client) == events for client in CLIENTS)


@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "gzip"])
def test_what_is_sent_counts_once_and_sent_again_still_once(crowd: Crowd, gzip: bool) -> None:  # noqa: FBT001 - a case
    crowd.send(crowd.product.stack.url("health"), gzip=gzip, page="Reports", flags=True)
    assert not any(crowd.errors.values()), crowd.errors
    crowd.send_again()
    assert not any(crowd.errors.values()), crowd.errors
    eventually(lambda: all_counted(crowd, 5), what="every event of every SDK is counted")
    pages = {client: crowd.counted(client, "Viewed Reports") for client in CLIENTS}
    # Only the events have an id of ours; each page view is another one.
    eventually(
        lambda: all(crowd.counted(client, "Viewed Reports") == 2 for client in CLIENTS),
        what=f"page views are counted: {pages}",
    )
    assert all_counted(crowd, 5)


def test_a_wrong_key_is_reported_and_nothing_counts(crowd: Crowd) -> None:
    crowd.send(crowd.product.stack.url("health"), key=f"tnr_whatever_{'y' * 43}")
    assert {c for c, errors in crowd.errors.items() if "401" in " ".join(errors)} == set(CLIENTS)
    assert all_counted(crowd, 0)


def test_a_body_too_large_is_reported_and_an_outage_is_waited_out(
    crowd: Crowd, edge: Callable[..., Any]
) -> None:
    with edge(ingest_body_bytes=8_192) as health:
        crowd.send(health.url, pad=20_000)
        told = {c for c, errors in crowd.errors.items() if "413" in " ".join(errors)}
        assert told == set(CLIENTS), crowd.errors

        def bring_the_broker_up() -> None:
            eventually(lambda: health.answered(503) >= len(CLIENTS), what="all were told to wait")
            health.gate.open()

        crowd.send(health.url, meanwhile=bring_the_broker_up)
        assert not any(crowd.errors.values()), crowd.errors
        eventually(lambda: all_counted(crowd, 5), what="what waited for the broker is counted")


def test_past_the_unacknowledged_bytes_clients_come_back_later(
    crowd: Crowd, edge: Callable[..., Any]
) -> None:
    with edge(max_unacknowledged_bytes=1) as health:
        health.gate.let_wait()
        ahead = threading.Thread(target=_send_one, args=(health.url, crowd.key))

        def let_the_broker_answer() -> None:
            eventually(lambda: health.answered(429) >= len(CLIENTS), what="all were told to wait")
            health.gate.open()

        ahead.start()
        crowd.send(health.url, meanwhile=let_the_broker_answer)
        ahead.join()
        assert not any(crowd.errors.values()), crowd.errors
        eventually(lambda: all_counted(crowd, 5), what="what was sent later is counted")


def _send_one(url: str, key: str) -> None:
    """Send one event, whose bytes are all that the service is to hold."""
    event = {"event": "seen", "messageId": str(uuid4()), "context": {"groupId": "ahead"}}
    httpx.post(f"{url}/v1/track", json={**event, "writeKey": key}, timeout=60)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/t", {"type": "track", "event": "report.exported"}),
        ("/v1/p", {"type": "page", "name": "Home", "properties": {"path": "/"}}),
        ("/v1/i", {"type": "identify", "traits": {"plan": "team"}}),
        ("/v1/g", {"type": "group", "groupId": "browser", "traits": {"name": "B"}}),
    ],
)
def test_the_browser_sends_text_with_a_key_in_the_header(
    product: Product, path: str, message: dict[str, Any]
) -> None:
    """As @segment/analytics-next does: one letter, text/plain, and members that say little."""
    key = product.key("usage:write").secret
    body = {
        "timestamp": "2026-11-26T00:00:00.000Z",
        "integrations": {},
        "userId": "u-1",
        "anonymousId": str(uuid4()),
        "context": {"groupId": "browser", "userAgent": "Mozilla/5.0", "locale": "en"},
        "messageId": f"ajs-next-{uuid4()}",
        "writeKey": key,
        "sentAt": "2026-11-26T00:00:00.010Z",
        "_metadata": {"bundled": ["Segment.io"]},
        **message,
    }
    answer = httpx.post(
        product.stack.url("health") + path,
        content=json.dumps(body),
        headers={
            "Content-Type": "text/plain",
            "Authorization": f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}",
        },
    )
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1), answer.text
