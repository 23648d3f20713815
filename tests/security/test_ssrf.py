"""Webhooks are never sent inside: whatever form an address has, and whatever a name leads to."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any
from uuid import uuid4

import pytest

from services.notifications.domain.addresses import IPAddress
from services.notifications.domain.delivery import Missed
from services.notifications.gateways.webhooks import WebhookSender
from tenure.demo.receivers import Answer, WebhookReceiver
from tests.builders.notifications import SECRET, VAULT, endpoint, key
from tests.conftest import OpenClient

METADATA = [
    "169.254.169.254",
    "100.100.100.200",
    "168.63.129.16",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]",
    "[2001:0:a9fe:a9fe::]",
    "[fd00:ec2::254]",
    "[::a9fe:a9fe]",
]
INSIDE = [
    "127.0.0.1",
    "127.1",
    "0",
    "0.0.0.0",  # noqa: S104 - refused, not bound
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[fe80::1]",
    "[fc00::1]",
]
NAMES = ["localhost", "LOCALHOST", "localhost.", "a.localhost", "db.internal", "printer.local"]
WRITE = ["notifications:read", "notifications:write"]


@pytest.mark.parametrize("host", [*METADATA, *INSIDE, *NAMES])
async def test_an_endpoint_that_is_plainly_inside_is_refused_or_never_reached(
    open_client: OpenClient, host: str
) -> None:
    client = await open_client("notifications", WRITE, webhook_allow_private=False)
    made = await client.post("/api/v1/webhook_endpoints", json={"url": f"https://{host}/hook"})
    if made.status_code == 422:
        assert made.json()["code"] in {"private_url", "invalid_url"}
        return
    # Spellings that only a resolver understands pass the form; they do not pass the dialling.
    assert made.status_code == 201
    tested = await client.post(f"/api/v1/webhook_endpoints/{made.json()['id']}/test")
    assert tested.json()["delivered"] is False
    assert "not public" in tested.json()["error"] or "resolved" in tested.json()["error"]


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example/x", "https://u:p@hooks.example/", "file:///etc/passwd", "gopher://x/"],
)
async def test_only_plain_https_is_taken(open_client: OpenClient, url: str) -> None:
    client = await open_client("notifications", WRITE, webhook_allow_private=False)
    made = await client.post("/api/v1/webhook_endpoints", json={"url": url})
    assert (made.status_code, made.json()["code"]) == (422, "invalid_url")


@pytest.mark.parametrize("address", [each.strip("[]") for each in (*METADATA, "127.0.0.1", "::1")])
async def test_a_name_that_leads_inside_is_not_dialled(address: str) -> None:
    async with WebhookReceiver() as receiver:
        outcome = await _send(receiver, [address])
        assert outcome.is_final
        assert "not public" in outcome.error
        assert receiver.received == []


async def test_a_name_with_one_address_inside_is_not_dialled_at_all() -> None:
    async with WebhookReceiver() as receiver:
        outcome = await _send(receiver, ["93.184.215.14", "127.0.0.1"])
        assert "not public" in outcome.error
        assert receiver.received == []


async def test_a_redirect_leads_nowhere() -> None:
    async with WebhookReceiver(answer=Answer.REDIRECT) as receiver:
        outcome = await _send(receiver, ["127.0.0.1"], allow_private=True)
        assert "redirects are not followed" in outcome.error
        assert len(receiver.received) == 1


async def _send(
    receiver: WebhookReceiver, addresses: Sequence[str], *, allow_private: bool = False
) -> Any:
    async def names(_host: str, _port: int) -> Sequence[IPAddress]:
        return [ip_address(address) for address in addresses]

    receiver.trust(SECRET)
    port = receiver.url.rpartition(":")[2].partition("/")[0]
    sender = WebhookSender(VAULT, allow_private=allow_private, resolver=names)
    target = endpoint(url=f"http://hooks.vendor.example:{port}/hook")
    outcome = await sender.send(target, [key()], message_id=uuid4(), payload={"type": "x"})
    assert isinstance(outcome, Missed)
    return outcome
