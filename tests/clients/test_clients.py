"""The SDKs of Segment, RudderStack and PostHog, in Python and Node, as they are published.

Each talks to a running service and knows nothing of these tests; what matters is what Postgres has
counted in the end, and what the SDK tells the program that uses it.
"""

import base64
import json
import threading
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.clients.conftest import CLIENTS, Crowd
from tests.clients.running_health import RunningHealth
from tests.product import eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_what_is_sent_counts_once_and_sent_again_still_once(crowd: Crowd, *, packed: bool) -> None:
    crowd.send(crowd.health.url, gzip=packed, page="Reports", flags=True)
    assert not any(crowd.errors.values()), crowd.errors
    crowd.send_again()
    assert not any(crowd.errors.values()), crowd.errors
    # Only the events have an id of ours; each page view is another one.
    eventually(lambda: crowd.have_counted(2, "Viewed Reports"), what="the page views are counted")
    eventually(lambda: crowd.have_counted(5), what="every event of every SDK is counted")


def test_a_wrong_key_is_reported_and_nothing_counts(crowd: Crowd) -> None:
    crowd.send(crowd.health.url, key=f"tnr_whatever_{'y' * 43}")
    assert crowd.told("401") == set(CLIENTS), crowd.errors
    assert crowd.have_counted(0)


def test_a_body_too_large_is_reported_and_an_outage_of_the_broker_is_waited_out(
    crowd: Crowd,
) -> None:
    with crowd.health.edge(ingest_body_bytes=8_192) as edge:
        crowd.send(edge.url, pad=20_000)
        assert crowd.told("413") == set(CLIENTS), crowd.errors

        def bring_the_broker_up() -> None:
            eventually(lambda: edge.answered(503) >= len(CLIENTS), what="all were told to wait")
            edge.gate.open()

        crowd.send(edge.url, meanwhile=bring_the_broker_up)
        assert not any(crowd.errors.values()), crowd.errors
        eventually(lambda: crowd.have_counted(5), what="what waited for the broker is counted")


def test_past_the_unacknowledged_bytes_clients_come_back_later(crowd: Crowd) -> None:
    with crowd.health.edge(max_unacknowledged_bytes=1) as edge:
        edge.gate.let_wait()
        ahead = threading.Thread(target=_send_one, args=(edge.url, crowd.key))

        def let_the_broker_answer() -> None:
            eventually(lambda: edge.answered(429) >= len(CLIENTS), what="all were told to wait")
            edge.gate.open()

        ahead.start()
        crowd.send(edge.url, meanwhile=let_the_broker_answer)
        ahead.join()
        assert not any(crowd.errors.values()), crowd.errors
        eventually(lambda: crowd.have_counted(5), what="what was sent later is counted")


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
    health: RunningHealth, path: str, message: dict[str, Any]
) -> None:
    """As @segment/analytics-next does: one letter, text/plain, and members that say little."""
    key = health.key()
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
    token = base64.b64encode(f"{key}:".encode()).decode()
    answer = httpx.post(
        health.url + path,
        content=json.dumps(body),
        headers={"Content-Type": "text/plain", "Authorization": f"Basic {token}"},
    )
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1), answer.text
