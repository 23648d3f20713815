"""What the services wrote to their logs while real things went right and wrong."""

import json
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from shared.bus.producer import Message
from shared.bus.topics import USAGE_TOPIC
from tenure.catalog import SERVICES
from tests.product import Product, an_account, eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

FORGED = '\n{"level": "critical", "event": "all is lost", "service": "health"}\n'


@pytest.fixture(scope="module")
def hidden(product: Product) -> dict[str, str]:
    """Has things go right and wrong; returns what no log may hold, by name."""
    account = an_account("logs")
    contact, owner = f"kim@{account}.example", f"ana@{account}.example"
    key = product.key("admin")
    full = product.client("onboarding", "admin")
    opened = full.post("/api/v1/accounts", json={"account_id": account, "name": "Kim-Private Ltd"})
    path = f"/api/v1/accounts/{account}"
    match = {"If-Match": opened.headers["ETag"]}
    csm = {"name": "Ana-Private", "email": owner}
    assert full.put(f"{path}/owners/csm", json=csm, headers=match).status_code == 200
    person = {"name": "Kim-Private", "email": contact, "role": "champion"}
    for body in (person, person, {**person, "email": f"{contact}\0"}, {**person, "role": contact}):
        full.post(f"{path}/contacts", json=body)
    full.get(f"/api/v1/accounts?owner_email={owner}%00")
    full.get(f"/api/v1/accounts/{quote(FORGED)}")

    hooks = product.receivers.hooks
    endpoint = product.client("notifications").post(
        "/api/v1/webhook_endpoints", json={"url": f"{hooks.url}?token=hook-token-55d"}
    )
    # The receiver does not know the secret and answers 401; the mail server names whom it refuses.
    product.wait_until_quiet()
    product.receivers.mail.refusals.append(f"550 5.1.1 <{owner}> unknown")
    health = product.client("health")
    signal = {"type": "payment_failed", "external_id": FORGED}
    assert health.post(f"{path}/signals", json=signal).status_code == 201
    for secret in (key.secret[:-1] + "?", f"tnr_whatever_{'z' * 43}"):
        health.get("/api/v1/risks", headers={"Authorization": f"Bearer {secret}"})

    poison = {
        "specversion": "1.0",
        "id": FORGED,
        "source": "/x",
        "subject": account,
        "data": person,
    }
    contact_added = {**poison, "type": "io.tenure.onboarding.contact_added.v1", "time": contact}
    for topic, value in (
        (USAGE_TOPIC, f"{contact}{FORGED}".encode()),
        (USAGE_TOPIC, json.dumps({**poison, "type": contact, "subject": FORGED}).encode()),
        ("tenure.onboarding", json.dumps(contact_added).encode()),
        ("tenure.onboarding", json.dumps({**contact_added, "time": "2026-01-01T00:00Z"}).encode()),
    ):
        product.publish(Message(topic, account.encode(), value))
    kept = "SELECT count(*) FROM dead_letters WHERE key = :key"
    eventually(
        lambda: product.fetch_value("health", kept, key=account.encode()) >= 2,
        what="the poison is set aside",
    )
    failed = (
        "SELECT count(*) FROM deliveries WHERE account_id = :account AND last_error IS NOT NULL"
    )
    eventually(
        lambda: product.fetch_value("notifications", failed, account=account) >= 2,
        what="mail and webhook were refused",
    )
    product.client("notifications").delete(f"/api/v1/webhook_endpoints/{endpoint.json()['id']}")
    password = urlsplit(product.stack.service_environment("health")["TENURE_DATABASE_URL"]).password
    return {
        "the address of a contact": contact,
        "the address of an owner": owner,
        "the name of a person": "-Private",
        "the secret of a key": key.secret.split("_", 2)[2][:-1],
        "the password of the database": str(password),
        "the administrator's password": str(urlsplit(product.stack.admin_url).password),
        "the secret of a webhook": endpoint.json()["secret"].removeprefix("whsec_"),
        "the token in a webhook's URL": "hook-token-55d",
    }


def logs(product: Product) -> dict[str, str]:
    found = {log.stem: log.read_text() for log in product.stack.plan.folder.glob("logs/*.log")}
    assert {name.rpartition("-")[0] for name in found} == set(SERVICES)
    return found


def test_no_log_holds_a_secret_or_says_who_somebody_is(
    product: Product, hidden: dict[str, str]
) -> None:
    told = [
        (log, what)
        for log, text in logs(product).items()
        for what, value in hidden.items()
        if value in text
    ]
    assert told == []


def test_every_line_of_every_log_is_one_json_object_and_none_is_forged(
    product: Product, hidden: dict[str, str]
) -> None:
    entries: list[dict[str, Any]] = [
        json.loads(line) for text in logs(product).values() for line in text.splitlines()
    ]
    assert {entry["service"] for entry in entries} == set(SERVICES)
    assert all({"event", "level", "timestamp"} <= entry.keys() for entry in entries)
    assert "all is lost" not in {entry["event"] for entry in entries}
    # What was set aside is in the log all the same: where it stood, and why.
    assert [entry for entry in entries if entry["event"] == "dead_letter"]
