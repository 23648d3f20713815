"""Signing secrets: sealed where they are kept, shown once, and what happens without their key."""

from typing import Any
from uuid import UUID

import httpx

from services.notifications.domain.endpoint import SigningKey
from services.notifications.gateways.vault import Vault
from services.notifications.gateways.webhooks import WebhookSender
from services.notifications.jobs import Courier, webhook_courier
from services.notifications.usecases.endpoints import rotate_secret
from tenure.demo.receivers import WebhookReceiver
from tests.builders.notifications import VAULT, risk_opened
from tests.integration.notifications.conftest import Desk, Rows

KEY = {"Idempotency-Key": "k-1"}
URL = {"url": "https://hooks.vendor.example/x"}
OTHER = Vault(b"another key of thirty-two bytes!")


def courier(vault: Vault) -> Courier[Any]:
    return webhook_courier(WebhookSender(vault, allow_private=True), jitter=lambda: 0.5)


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_secret_is_kept_sealed_and_bound_to_its_endpoint(
    api: httpx.AsyncClient, rows: Rows
) -> None:
    made = (await api.post("webhook_endpoints", json=URL)).json()
    (row,) = await rows("SELECT * FROM webhook_keys")
    key = SigningKey(row["id"], row["secret"], row["created_at"])
    assert VAULT.open(key, endpoint_id=UUID(made["id"])) == made["secret"]
    assert b"whsec_" not in row["secret"]


async def test_a_repeated_creation_makes_one_endpoint_and_leaves_no_secret_behind(
    api: httpx.AsyncClient, rows: Rows
) -> None:
    first = await api.post("webhook_endpoints", json=URL, headers=KEY)
    again = await api.post("webhook_endpoints", json=URL, headers=KEY)
    assert (first.status_code, problem(again)) == (201, (409, "secret_shown_once"))
    assert again.json()["location"] == first.headers["location"]
    assert len((await api.get("webhook_endpoints")).json()["data"]) == 1
    assert first.json()["secret"] not in str(await rows("SELECT * FROM idempotency_keys"))


async def test_a_repeated_rotation_rotates_once_and_leaves_no_secret_behind(
    api: httpx.AsyncClient, rows: Rows
) -> None:
    made = (await api.post("webhook_endpoints", json=URL)).json()
    path = f"webhook_endpoints/{made['id']}/rotate_secret"
    first = await api.post(path, headers=KEY)
    assert problem(await api.post(path, headers=KEY)) == (409, "secret_shown_once")
    assert len(await rows("SELECT * FROM webhook_keys")) == 2
    assert first.json()["secret"] not in str(await rows("SELECT * FROM idempotency_keys"))


async def test_with_the_wrong_key_a_delivery_says_so_and_waits_for_the_right_one(
    desk: Desk, hooks: Courier[Any], receiver: WebhookReceiver
) -> None:
    await desk.add_endpoint(receiver)
    await desk.hear(risk_opened())
    await courier(OTHER).run(desk.database)
    (waiting,) = await desk.log("webhook")
    assert (waiting["status"], waiting["attempts"]) == ("pending", 1)
    assert "TENURE_WEBHOOK_SECRET_KEY is not the key" in waiting["last_error"]
    assert receiver.received == []
    desk.clock.set(waiting["next_attempt_at"])
    await hooks.run(desk.database)
    assert (await desk.log("webhook"))[0]["status"] == "delivered"


async def test_a_lost_key_is_repaired_by_rotating(desk: Desk, receiver: WebhookReceiver) -> None:
    endpoint = await desk.add_endpoint(receiver)
    async with desk.database.transaction() as tx:
        new = await rotate_secret(tx, UUID(endpoint["id"]), OTHER)
    receiver.trust(new.secret)
    await desk.hear(risk_opened())
    await courier(OTHER).run(desk.database)
    (got,) = receiver.received
    assert got.is_genuine
    assert len(got.headers["webhook-signature"].split(" ")) == 1


async def test_a_test_send_with_the_wrong_key_says_so(
    desk: Desk, receiver: WebhookReceiver
) -> None:
    endpoint = await desk.add_endpoint(receiver)
    async with desk.database.transaction() as tx:
        await rotate_secret(tx, UUID(endpoint["id"]), OTHER)
    result = (await desk.api.post(f"webhook_endpoints/{endpoint['id']}/test")).json()
    assert not result["delivered"]
    assert "rotate the secret" in result["error"]
