"""The webhook sender: whom it refuses to dial."""

from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from services.notifications.domain.addresses import IPAddress
from services.notifications.domain.delivery import Arrived, Missed
from services.notifications.gateways.webhooks import WebhookSender
from tenure.demo.receivers import WebhookReceiver
from tests.builders.notifications import DELIVERY_ID, SECRET, VAULT, endpoint, key


class Names:
    """A name server that says what it is told to, and counts."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> Sequence[IPAddress]:
        self.asked.append(host)
        return [ip_address(address) for address in self.addresses]


async def send(receiver: WebhookReceiver, names: Names, *, allow_private: bool = False) -> object:
    receiver.trust(SECRET)
    port = receiver.url.rpartition(":")[2].partition("/")[0]
    sender = WebhookSender(VAULT, allow_private=allow_private, resolver=names)
    target = endpoint(url=f"http://hooks.vendor.example:{port}/hook")
    return await sender.send(target, [key()], message_id=DELIVERY_ID, payload={"type": "x"})


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["100.100.100.200"],
        ["169.254.169.254"],
        ["8.8.8.8", "127.0.0.1"],
    ],
)
async def test_a_name_that_leads_inside_is_not_dialled(
    receiver: WebhookReceiver, addresses: list[str]
) -> None:
    outcome = await send(receiver, Names(*addresses))
    assert isinstance(outcome, Missed)
    assert outcome.is_final
    assert "not public" in outcome.error
    assert receiver.received == []


async def test_the_checked_address_is_dialled_and_the_name_is_asked_for(
    receiver: WebhookReceiver,
) -> None:
    names = Names("127.0.0.1")
    assert await send(receiver, names, allow_private=True) == Arrived(204)
    assert names.asked == ["hooks.vendor.example"]
    (got,) = receiver.received
    assert got.headers["host"].startswith("hooks.vendor.example:")


async def test_the_next_address_is_tried_when_one_does_not_answer(
    receiver: WebhookReceiver,
) -> None:
    names = Names("::1", "127.0.0.1")
    assert await send(receiver, names, allow_private=True) == Arrived(204)


async def test_a_name_without_an_address_is_tried_again_later(receiver: WebhookReceiver) -> None:
    outcome = await send(receiver, Names())
    assert isinstance(outcome, Missed)
    assert not outcome.is_final
    assert not outcome.is_silent


class SilentNames(Names):
    """A name server that does not answer in time."""

    async def __call__(self, host: str, _port: int) -> Sequence[IPAddress]:
        self.asked.append(host)
        raise TimeoutError


async def test_a_name_server_that_hangs_is_a_silence(receiver: WebhookReceiver) -> None:
    outcome = await send(receiver, SilentNames())
    assert isinstance(outcome, Missed)
    assert outcome.is_silent
    assert "was not resolved in time" in outcome.error
