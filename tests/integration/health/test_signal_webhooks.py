"""Webhooks of other systems: who may send them, what they mean, and whose they are.

Bodies have the shape of Stripe's documented event objects; signatures follow its documented
scheme: HMAC-SHA256 with the endpoint's secret over "<t>.<body>".
"""

import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.health.usecases.files.files import load_catalogue, load_mappings
from shared.kernel.clock import FixedClock
from tests.conftest import NOON, OpenClient

DESK = """
event: {id: id, type: kind}
accounts: {path: ticket.org, system: desk}
events:
  opened: {signal: ticket_opened, value: ticket.priority, values: {P1: urgent}}
  rated: {signal: csat_answered, value: ticket.score, once_per: ticket.id}
"""
SIGNATURES = {
    "desk": "{scheme: token}",
    "hub": '{scheme: hmac, header: X-Hub-Signature-256, prefix: "sha256="}',
    "plain": "{scheme: basic}",
}
SECRET, NEXT = "whsec_old_secret", "whsec_new_secret"
STRIPE = "/api/v1/signal-webhooks/stripe"
CREATED = int(NOON.timestamp()) - 60


@pytest.fixture
async def sender(open_client: OpenClient) -> httpx.AsyncClient:
    secrets = {"stripe": f"{SECRET} {NEXT}"}
    return await open_client("health", health_webhook_secrets=secrets)


@pytest.fixture
def own_mappings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Mappings of a help desk by three schemes, beside those that are shipped."""
    for name, signature in SIGNATURES.items():
        (tmp_path / f"{name}.yml").write_text(f"signature: {signature}{DESK}")
    monkeypatch.setenv("TENURE_HEALTH_MAPPINGS", str(tmp_path))
    load_mappings.cache_clear()
    yield
    load_mappings.cache_clear()


def invoice(**changes: Any) -> dict[str, Any]:
    return {
        "id": "in_1MtHbELkdIwHu7ixl4OzzPMv",
        "object": "invoice",
        "attempt_count": 1,
        "customer": "cus_NeZwdNtLEOXuvB",
        "currency": "eur",
        "amount_due": 4900,
        "metadata": {"account_id": "acme"},
        **changes,
    }


def subscription(*, cancels: bool) -> dict[str, Any]:
    return {
        "id": "sub_1MowQVLkdIwHu7ixeRlqHVzs",
        "object": "subscription",
        "cancel_at_period_end": cancels,
        "customer": "cus_NeZwdNtLEOXuvB",
        "metadata": {"account_id": "acme"},
    }


def stripe_event(
    kind: str, thing: dict[str, Any], event_id: str = "evt_1", **data: Any
) -> dict[str, Any]:
    return {
        "id": event_id,
        "object": "event",
        "api_version": "2025-03-31.basil",
        "created": CREATED,
        "data": {"object": thing, **data},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }


def signed(body: bytes, at: int, secret: str = SECRET) -> dict[str, str]:
    made = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={at},v1={made},v0=6ffbb59b2300aae63f272406069a9788598b792a"}


async def send(
    sender: httpx.AsyncClient, event: dict[str, Any], secret: str = SECRET, at: int | None = None
) -> httpx.Response:
    body = json.dumps(event, indent=2).encode()
    now = int(NOON.timestamp()) if at is None else at
    headers = {"Content-Type": "application/json; charset=utf-8", **signed(body, now, secret)}
    return await sender.post(STRIPE, content=body, headers=headers)


async def kept(csm: httpx.AsyncClient, account_id: str = "acme") -> Sequence[dict[str, Any]]:
    found: list[dict[str, Any]] = (await csm.get(f"/api/v1/accounts/{account_id}/signals")).json()[
        "data"
    ]
    return found


MEANINGS: list[tuple[dict[str, Any], list[str]]] = [
    (stripe_event("invoice.payment_failed", invoice()), ["payment_failed"]),
    (stripe_event("invoice.paid", invoice()), ["payment_succeeded"]),
    (stripe_event("invoice.payment_succeeded", invoice()), ["payment_succeeded"]),
    (stripe_event("invoice.paid", invoice(attempt_count=3)), ["payment_recovered"]),
    (
        stripe_event("customer.subscription.deleted", subscription(cancels=True)),
        ["subscription_cancelled"],
    ),
    (
        stripe_event(
            "customer.subscription.updated",
            subscription(cancels=True),
            previous_attributes={"cancel_at_period_end": False},
        ),
        ["cancellation_scheduled"],
    ),
    (
        stripe_event(
            "customer.subscription.updated",
            subscription(cancels=False),
            previous_attributes={"cancel_at_period_end": True},
        ),
        ["cancellation_withdrawn"],
    ),
    (
        stripe_event(
            "customer.subscription.updated",
            subscription(cancels=True),
            previous_attributes={"quantity": 3},
        ),
        [],
    ),
    (stripe_event("customer.created", {"id": "cus_1", "object": "customer"}), []),
]


@pytest.mark.parametrize(("event", "types"), MEANINGS)
async def test_what_an_event_of_stripe_means(
    sender: httpx.AsyncClient, csm: httpx.AsyncClient, event: dict[str, Any], types: list[str]
) -> None:
    answer = await send(sender, event)
    assert answer.status_code == 200
    assert (answer.json()["recorded"], answer.json()["ignored"]) == (len(types), not types)
    found = await kept(csm)
    assert [one["type"] for one in found] == types
    assert all(one["observed_at"] == "2026-03-02T11:59:00Z" for one in found)
    assert all(one["source"] == "stripe" for one in found)


async def test_the_same_event_again_and_two_events_of_one_payment_are_one_signal(
    sender: httpx.AsyncClient, csm: httpx.AsyncClient
) -> None:
    failed = stripe_event("invoice.payment_failed", invoice())
    outcomes = [(await send(sender, failed)).json() for _ in range(2)]
    assert [one["recorded"] for one in outcomes] == [1, 0]
    assert outcomes[1]["repeated"] == 1
    await send(sender, stripe_event("invoice.paid", invoice(), "evt_2"))
    await send(sender, stripe_event("invoice.payment_succeeded", invoice(), "evt_3"))
    second = stripe_event("invoice.payment_failed", invoice(attempt_count=2), "evt_4")
    await send(sender, second)
    assert sorted(one["type"] for one in await kept(csm)) == [
        "payment_failed",
        "payment_failed",
        "payment_succeeded",
    ]


async def test_both_secrets_count_while_one_is_replaced(sender: httpx.AsyncClient) -> None:
    for number, secret in enumerate((SECRET, NEXT)):
        event = stripe_event("invoice.paid", invoice(), f"evt_{number}")
        assert (await send(sender, event, secret)).status_code == 200


def _headers(at: int, body: bytes) -> dict[str, dict[str, str]]:
    good = signed(body, at)["Stripe-Signature"]
    return {
        "none": {},
        "empty": {"Stripe-Signature": ""},
        "other secret": signed(body, at, "whsec_another"),
        "other body": signed(body + b" ", at),
        "no time": {"Stripe-Signature": good.partition(",")[2]},
        "another time": {"Stripe-Signature": good.replace(f"t={at}", f"t={at - 1}")},
        "time in letters": {"Stripe-Signature": good.replace(f"t={at}", "t=now")},
        "too old": signed(body, at - 301),
        "too far ahead": signed(body, at + 301),
        "only v0": {"Stripe-Signature": good.replace("v1=", "v2=")},
        "not ascii": {"Stripe-Signature": f"t={at},v1=\u00e9"},
    }


async def test_nobody_else_is_believed(sender: httpx.AsyncClient, csm: httpx.AsyncClient) -> None:
    body = json.dumps(stripe_event("invoice.payment_failed", invoice())).encode()
    for case, headers in _headers(int(NOON.timestamp()), body).items():
        raw = {name: value.encode("latin-1") for name, value in headers.items()}
        answer = await sender.post(STRIPE, content=body, headers=raw)
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature"), case
        assert SECRET not in answer.text
    assert await kept(csm) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"\x00\xff", "not JSON"),
        (b"[" * 50_000, "not JSON"),
        (b"[1]", "event 0 is not a JSON object"),
        (b"{}", "event.id"),
        (b'{"id": "evt_1", "created": 1}', "event.type"),
        (b'{"id": "evt_1", "type": "invoice.paid"}', "event.time"),
        (b'{"id": "evt_1", "type": "invoice.paid", "created": 1e300}', "event.time"),
        (b'{"id": "evt\\u0000", "type": "x", "created": 1}', "event.id"),
    ],
)
async def test_a_signed_body_that_is_no_event_is_refused_with_what_is_missing(
    sender: httpx.AsyncClient, body: bytes, words: str
) -> None:
    answer = await sender.post(STRIPE, content=body, headers=signed(body, int(NOON.timestamp())))
    assert (answer.status_code, answer.json()["code"]) == (400, "webhook_unreadable")
    assert words in answer.json()["detail"]


async def test_a_body_that_is_too_large_is_refused(sender: httpx.AsyncClient) -> None:
    body = b" " * (1024 * 1024 + 1)
    answer = await sender.post(STRIPE, content=body, headers=signed(body, int(NOON.timestamp())))
    assert answer.status_code == 413


async def test_without_a_secret_nobody_is_believed_and_the_answer_says_what_to_set(
    open_client: OpenClient,
) -> None:
    bare = await open_client("health")
    answer = await send(bare, stripe_event("invoice.paid", invoice()))
    assert (answer.status_code, answer.json()["code"]) == (503, "webhook_not_set_up")
    assert "TENURE_HEALTH_WEBHOOK_SECRETS" in answer.json()["detail"]
    unknown = await bare.post("/api/v1/signal-webhooks/fax", content=b"{}")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "mapping_not_found")


async def test_a_signal_of_an_unknown_customer_waits_and_is_recorded_when_it_is_named(
    sender: httpx.AsyncClient, csm: httpx.AsyncClient, clock: FixedClock
) -> None:
    event = stripe_event("invoice.payment_failed", invoice(metadata={}))
    outcomes = [(await send(sender, event)).json() for _ in range(2)]
    assert [one["unmatched"] for one in outcomes] == [1, 1]
    (waits,) = (await csm.get("/api/v1/unmatched-signals")).json()["data"]
    assert (waits["type"], waits["code"]) == ("payment_failed", "unknown_account")
    assert waits["externals"] == [{"system": "stripe", "id": "cus_NeZwdNtLEOXuvB"}]
    path = "/api/v1/external-ids/stripe/cus_NeZwdNtLEOXuvB"
    answer = (await csm.put(path, json={"account_id": "acme"})).json()
    assert (answer["recorded"], answer["account_id"]) == (1, "acme")
    assert (await csm.get("/api/v1/unmatched-signals")).json()["data"] == []
    assert [one["type"] for one in await kept(csm)] == ["payment_failed"]
    assert (await send(sender, event)).json()["repeated"] == 1
    clock.advance(timedelta(minutes=1))
    later = stripe_event("invoice.paid", invoice(metadata={}, attempt_count=2), "evt_2")
    assert (await send(sender, later)).json()["recorded"] == 1
    (risk,) = (await csm.get("/api/v1/risks")).json()["data"]
    assert risk["status"] == "recovered"


async def test_what_fits_is_kept_for_an_unknown_customer_behind_what_does_not(
    open_client: OpenClient, csm: httpx.AsyncClient, own_mappings: None
) -> None:
    desk = await open_client("health", health_webhook_secrets={"desk": "a-long-token"})
    for number, score in enumerate(("HIGH", 5)):
        body = {"id": str(number), "kind": "rated", "ticket": {"id": 7, "org": 555, "score": score}}
        headers = {"Authorization": "Bearer a-long-token"}
        sent = await desk.post("/api/v1/signal-webhooks/desk", json=body, headers=headers)
        assert sent.json()["unmatched"] == 1
    named = await csm.put("/api/v1/external-ids/desk/555", json={"account_id": "acme"})
    assert (named.json()["recorded"], named.json()["waiting"]) == (1, 0)
    assert [one["value"] for one in await kept(csm)] == [5]


async def test_a_sender_signs_its_bodies_as_github_does(
    open_client: OpenClient, own_mappings: None
) -> None:
    hub = await open_client("health", health_webhook_secrets={"hub": SECRET})
    body = b'{"id": "1", "kind": "rated", "ticket": {"org": 555, "score": 5}}'
    right = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    for signature, status in ((right, 200), (right[:-1], 401), ("", 401)):
        headers = {"X-Hub-Signature-256": signature, "Content-Type": "application/json"}
        answer = await hub.post("/api/v1/signal-webhooks/hub", content=body, headers=headers)
        assert answer.status_code == status


async def test_words_of_the_sender_are_translated_and_an_unknown_one_waits(
    open_client: OpenClient, csm: httpx.AsyncClient, own_mappings: None
) -> None:
    desk = await open_client("health", health_webhook_secrets={"desk": "a-long-token"})
    await csm.put("/api/v1/external-ids/desk/555", json={"account_id": "acme"})
    for number, priority in enumerate(("P1", "P9")):
        body = {"id": f"{number}", "kind": "opened", "ticket": {"org": 555, "priority": priority}}
        headers = {"Authorization": "a-long-token"}
        await desk.post("/api/v1/signal-webhooks/desk", json=body, headers=headers)
    (signal,) = await kept(csm)
    urgent = load_catalogue().types["ticket_opened"].read("urgent")
    assert (signal["type"], signal["value"]) == ("ticket_opened", urgent)
    (waits,) = (await csm.get("/api/v1/unmatched-signals")).json()["data"]
    assert (waits["value"], waits["code"]) == ("P9", "signal_value_invalid")


async def test_an_array_is_taken_whole_whoever_its_events_are_of(
    open_client: OpenClient, csm: httpx.AsyncClient, own_mappings: None
) -> None:
    desk = await open_client("health", health_webhook_secrets={"desk": "a-long-token"})
    for org, account in ((1, "zeta"), (2, "acme")):
        await csm.put(f"/api/v1/external-ids/desk/{org}", json={"account_id": account})
    rated = [
        {"id": f"{org}", "kind": "rated", "ticket": {"id": org, "org": org, "score": 5}}
        for org in (1, 2, 3)
    ]
    body = [*rated, {"id": "4", "kind": "closed"}]
    outcomes = [
        await desk.post(
            "/api/v1/signal-webhooks/desk", json=body, headers={"Authorization": "a-long-token"}
        )
        for _ in range(2)
    ]
    names = ("recorded", "repeated", "unmatched", "ignored")
    assert [tuple(one.json()[name] for name in names) for one in outcomes] == [
        (2, 0, 1, False),
        (0, 2, 1, False),
    ]
    for account in ("zeta", "acme"):
        assert [one["value"] for one in await kept(csm, account)] == [5]
    assert len((await csm.get("/api/v1/unmatched-signals")).json()["data"]) == 1


async def test_a_sender_names_itself_by_http_basic(
    open_client: OpenClient, own_mappings: None
) -> None:
    plain = await open_client("health", health_webhook_secrets={"plain": "desk:s3cret"})
    body = {"id": "1", "kind": "rated", "ticket": {"org": 555, "score": 5}}
    for password, status in (("s3cret", 200), ("secret", 401)):
        given = httpx.BasicAuth("desk", password)
        answer = await plain.post("/api/v1/signal-webhooks/plain", json=body, auth=given)
        assert answer.status_code == status


async def test_a_name_of_another_system_may_have_spaces_and_slashes(csm: httpx.AsyncClient) -> None:
    path = "/api/v1/external-ids/desk/Acme%20GmbH%2Fwest"
    answer = await csm.put(path, json={"account_id": "acme"})
    assert answer.json()["external_id"] == "Acme GmbH/west"
    assert (await csm.delete(path)).status_code == 204


async def test_a_person_attributes_a_waiting_signal_once(
    sender: httpx.AsyncClient, csm: httpx.AsyncClient
) -> None:
    await send(sender, stripe_event("invoice.payment_failed", invoice(metadata={}, customer=None)))
    (waits,) = (await csm.get("/api/v1/unmatched-signals")).json()["data"]
    assert "the event names none" in waits["message"]
    path = f"/api/v1/unmatched-signals/{waits['id']}/attribute"
    assert (await csm.post(path, json={"account_id": "a b"})).status_code == 422
    assert (await csm.post(path, json={"account_id": "acme"})).json() == {"recorded": True}
    again = await csm.post(path, json={"account_id": "acme"})
    assert (again.status_code, again.json()["code"]) == (404, "unmatched_not_found")


async def test_ids_of_other_systems_are_listed_and_forgotten(csm: httpx.AsyncClient) -> None:
    for name in ("cus_1", "cus_2", "cus_3"):
        await csm.put(f"/api/v1/external-ids/stripe/{name}", json={"account_id": "acme"})
    await csm.put("/api/v1/external-ids/stripe/cus_1", json={"account_id": "zeta"})
    page = (await csm.get("/api/v1/external-ids", params={"limit": 2})).json()
    assert [one["account_id"] for one in page["data"]] == ["zeta", "acme"]
    rest = await csm.get("/api/v1/external-ids", params={"cursor": page["next_cursor"]})
    assert [one["external_id"] for one in rest.json()["data"]] == ["cus_3"]
    path = "/api/v1/external-ids/stripe/cus_1"
    assert [(await csm.delete(path)).status_code for _ in range(2)] == [204, 404]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/external-ids/Stripe/cus_1", {"account_id": "acme"}),
        ("/api/v1/external-ids/stripe/a%00b", {"account_id": "acme"}),
        ("/api/v1/external-ids/stripe/cus_1", {"account_id": ""}),
        ("/api/v1/external-ids/stripe/cus_1", {}),
    ],
)
async def test_a_wrong_name_for_an_account_is_refused(
    csm: httpx.AsyncClient, path: str, body: dict[str, Any]
) -> None:
    assert (await csm.put(path, json=body)).status_code == 422


async def test_naming_accounts_needs_a_key_that_writes(open_client: OpenClient) -> None:
    path, body = "/api/v1/external-ids/stripe/cus_1", {"account_id": "acme"}
    nobody = await open_client("health")
    assert (await nobody.put(path, json=body)).status_code == 401
    reader = await open_client("health", scopes=["health:read"])
    assert (await reader.put(path, json=body)).status_code == 403
