"""Whatever is sent, the answer says what is wrong: problem details, the right status, never 500."""

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from shared.auth import keys
from tenure.catalog import SERVICES
from tests.e2e.conftest import Product, an_account

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

ACCOUNTS = "/api/v1/accounts"
MEBIBYTE = 1024 * 1024
CONTRACT = {
    "starts_on": "2026-01-01",
    "ends_on": "2026-12-31",
    "seats": 10,
    "amount": {"amount_minor": 100, "currency": "EUR"},
}
UNKNOWN_ID = "0199d0c2-7e2a-7bb1-9d0e-3f1f6b8f2a11"
DEEP = b"[" * 20_000 + b"]" * 20_000


@dataclass(frozen=True)
class Wrong:
    """A request that must be refused. ``{account}`` in its path is an account that exists."""

    service: str
    method: str
    path: str
    status: int
    code: str
    send: dict[str, Any] = field(default_factory=dict)
    key: str | None = "full"


def post(service: str, path: str, status: int, code: str, body: Any) -> Wrong:
    return Wrong(service, "POST", path, status, code, {"json": body})


CASES = {
    # What cannot be read
    "bad JSON": Wrong(
        "onboarding", "POST", ACCOUNTS, 422, "invalid_request", {"content": b'{"name": '}
    ),
    "no body": Wrong("onboarding", "POST", ACCOUNTS, 422, "invalid_request"),
    "a list": post("onboarding", ACCOUNTS, 422, "invalid_request", [1]),
    "NaN": Wrong(
        "health",
        "POST",
        f"{ACCOUNTS}/{{account}}/signals",
        422,
        "invalid_request",
        {"content": b'{"type": "nps_answered", "value": NaN}'},
    ),
    "half a surrogate": Wrong(
        "onboarding", "POST", ACCOUNTS, 422, "invalid_request", {"content": b'{"name": "\\ud800"}'}
    ),
    "too deep": Wrong("onboarding", "POST", ACCOUNTS, 422, "invalid_request", {"content": DEEP}),
    "a huge body": Wrong(
        "onboarding",
        "POST",
        ACCOUNTS,
        413,
        "payload_too_large",
        {"content": b'{"name": "' + b"x" * 2 * MEBIBYTE + b'"}'},
    ),
    # What does not fit
    "an unknown field": post(
        "onboarding", ACCOUNTS, 422, "invalid_request", {"name": "A", "naem": "B"}
    ),
    "a wrong type": post("onboarding", ACCOUNTS, 422, "invalid_request", {"name": 7}),
    "a NUL": post("onboarding", ACCOUNTS, 422, "invalid_text", {"name": "a\0b"}),
    "a NUL in a reason": Wrong(
        "notifications",
        "POST",
        "/api/v1/subscriptions",
        422,
        "invalid_request",
        {
            "json": {
                "recipient": {"email": "ana@example.com", "name": "a\0b"},
                "channels": ["inbox"],
                "events": ["risk.*"],
            }
        },
    ),
    "a NUL in a signal's id": post(
        "health",
        f"{ACCOUNTS}/{{account}}/signals",
        422,
        "invalid_request",
        {"type": "payment_failed", "external_id": "a\0b"},
    ),
    "an account id with a slash": post(
        "onboarding", ACCOUNTS, 422, "invalid_account_id", {"name": "A", "account_id": "a/b"}
    ),
    "an invalid time zone": post(
        "onboarding", ACCOUNTS, 422, "unknown_time_zone", {"name": "A", "time_zone": "Mars/One"}
    ),
    "an invalid e-mail": Wrong(
        "onboarding",
        "PUT",
        f"{ACCOUNTS}/{{account}}/owners/csm",
        422,
        "invalid_email",
        {"json": {"name": "A", "email": "nobody"}, "headers": {"If-Match": "*"}},
    ),
    "negative seats": post(
        "renewals",
        f"{ACCOUNTS}/{{account}}/contracts",
        422,
        "invalid_request",
        {**CONTRACT, "seats": -1},
    ),
    "a fraction of a cent": post(
        "renewals",
        f"{ACCOUNTS}/{{account}}/contracts",
        422,
        "invalid_request",
        {**CONTRACT, "amount": {"amount_minor": 1.5, "currency": "EUR"}},
    ),
    "a number too large for any column": post(
        "renewals",
        f"{ACCOUNTS}/{{account}}/contracts",
        422,
        "invalid_request",
        {**CONTRACT, "seats": 10**30},
    ),
    "a term that ends before it starts": post(
        "renewals",
        f"{ACCOUNTS}/{{account}}/contracts",
        422,
        "term_ends_before_it_starts",
        {**CONTRACT, "ends_on": "2025-12-31"},
    ),
    "a day that does not exist": post(
        "renewals",
        f"{ACCOUNTS}/{{account}}/contracts",
        422,
        "invalid_request",
        {**CONTRACT, "ends_on": "2026-02-30"},
    ),
    "a signal nobody knows": post(
        "health", f"{ACCOUNTS}/{{account}}/signals", 422, "unknown_signal_type", {"type": "mood"}
    ),
    "a signal of tomorrow": post(
        "health",
        f"{ACCOUNTS}/{{account}}/signals",
        422,
        "signal_in_future",
        {"type": "payment_failed", "observed_at": "2199-01-01T00:00:00Z"},
    ),
    "a time without a zone": post(
        "health",
        f"{ACCOUNTS}/{{account}}/signals",
        422,
        "invalid_request",
        {"type": "payment_failed", "observed_at": "2026-01-01T00:00:00"},
    ),
    "a webhook to nowhere": post(
        "notifications", "/api/v1/webhook_endpoints", 422, "invalid_url", {"url": "ftp://x.example"}
    ),
    "an inbox of nobody": Wrong(
        "notifications", "GET", "/api/v1/inbox?recipient=nobody", 422, "invalid_email"
    ),
    # What is not there
    "an unknown account": Wrong(
        "onboarding", "GET", f"{ACCOUNTS}/nobody", 404, "account_not_found"
    ),
    "an unknown renewal": Wrong(
        "renewals", "GET", f"{ACCOUNTS}/acme/renewals/{UNKNOWN_ID}", 404, "renewal_not_found"
    ),
    "an id that is none": Wrong(
        "renewals", "GET", f"{ACCOUNTS}/acme/renewals/7", 422, "invalid_request"
    ),
    "an unknown opportunity": Wrong(
        "expansion",
        "GET",
        f"{ACCOUNTS}/acme/opportunities/{UNKNOWN_ID}",
        404,
        "opportunity_not_found",
    ),
    "an unknown inbox item": Wrong(
        "notifications", "POST", f"/api/v1/inbox/{UNKNOWN_ID}/read", 404, "inbox_item_not_found"
    ),
    "an unknown route": Wrong("health", "GET", "/api/v1/nothing", 404, "route_not_found"),
    "a trailing slash": Wrong("onboarding", "GET", f"{ACCOUNTS}/", 404, "route_not_found"),
    "a method that is not allowed": Wrong(
        "onboarding", "DELETE", ACCOUNTS, 405, "method_not_allowed"
    ),
    # Pages
    "a bad cursor": Wrong("health", "GET", "/api/v1/risks?cursor=nonsense", 400, "invalid_cursor"),
    "a cursor of another list": Wrong(
        "renewals", "GET", "/api/v1/saves?cursor=eyJhY2NvdW50X2lkIjoiYSJ9", 400, "invalid_cursor"
    ),
    "limit 0": Wrong("expansion", "GET", "/api/v1/opportunities?limit=0", 422, "invalid_request"),
    "limit 1000": Wrong("renewals", "GET", "/api/v1/renewals?limit=1000", 422, "invalid_request"),
    "a filter that is none": Wrong(
        "notifications", "GET", "/api/v1/deliveries?status=lost", 422, "invalid_request"
    ),
    # Versions
    "no If-Match": Wrong(
        "onboarding",
        "PATCH",
        f"{ACCOUNTS}/{{account}}",
        428,
        "precondition_required",
        {"json": {"name": "B"}},
    ),
    "a stale If-Match": Wrong(
        "onboarding",
        "PATCH",
        f"{ACCOUNTS}/{{account}}",
        412,
        "precondition_failed",
        {"json": {"name": "B"}, "headers": {"If-Match": '"999"'}},
    ),
    "an account that exists": post(
        "onboarding", ACCOUNTS, 409, "account_exists", {"name": "A", "account_id": "{account}"}
    ),
    # Who
    "no key": Wrong("health", "GET", "/api/v1/risks", 401, "unauthenticated", key=None),
    "a key that is none": Wrong(
        "health", "GET", "/api/v1/risks", 401, "invalid_api_key", key="none"
    ),
    "a revoked key": Wrong("health", "GET", "/api/v1/risks", 401, "invalid_api_key", key="revoked"),
    "a key without the scope": Wrong(
        "onboarding", "POST", ACCOUNTS, 403, "missing_scope", {"json": {"name": "A"}}, key="reader"
    ),
    "a write key at an API": Wrong(
        "health", "GET", "/api/v1/risks", 403, "missing_scope", key="usage"
    ),
    "too long an Idempotency-Key": Wrong(
        "onboarding",
        "POST",
        ACCOUNTS,
        400,
        "invalid_idempotency_key",
        {"json": {"name": "A"}, "headers": {"Idempotency-Key": "x" * 256}},
    ),
    # Ingest: never 422
    "ingest, bad JSON": Wrong(
        "health", "POST", "/v1/batch", 400, "invalid_json", {"content": b"{"}, key="usage"
    ),
    "ingest, no batch": Wrong(
        "health", "POST", "/v1/batch", 400, "invalid_json", {"json": {}}, key="usage"
    ),
    "ingest, too deep": Wrong(
        "health",
        "POST",
        "/v1/track",
        400,
        "invalid_json",
        {"content": b'{"a":' + DEEP + b"}"},
        key="usage",
    ),
    "ingest, broken gzip": Wrong(
        "health", "POST", "/v1/batch", 400, "invalid_gzip", {"content": b"\x1f\x8bno"}, key="usage"
    ),
    "ingest, a gzip bomb": Wrong(
        "health",
        "POST",
        "/v1/batch",
        413,
        "payload_too_large",
        {"content": gzip.compress(b" " * 32 * MEBIBYTE)},
        key="usage",
    ),
    "ingest, no key": Wrong(
        "health", "POST", "/v1/batch", 401, "invalid_write_key", {"json": {"batch": []}}, key=None
    ),
    "ingest, a key for reading": Wrong(
        "health",
        "POST",
        "/v1/batch",
        401,
        "invalid_write_key",
        {"json": {"batch": []}},
        key="reader",
    ),
}


@pytest.fixture(scope="module")
def account(product: Product) -> str:
    """An account that exists everywhere."""
    made = an_account("wrong")
    answer = product.client("onboarding").post(ACCOUNTS, json={"name": "W", "account_id": made})
    assert answer.status_code == 201
    return made


@pytest.fixture(scope="module")
def secrets(product: Product) -> dict[str, str]:
    """One key of each kind."""
    names = [f"{service}:{verb}" for service in SERVICES for verb in ("read", "write")]
    revoked = product.key("admin")
    product.inside("auth", lambda tx: keys.revoke(tx, revoked.key.id))
    return {
        "full": product.key(*names).secret,
        "reader": product.key(*names[::2]).secret,
        "usage": product.key("usage:write").secret,
        "revoked": revoked.secret,
        "none": f"tnr_whatever_{'y' * 43}",
    }


@pytest.fixture(scope="module")
def clients(product: Product) -> Iterator[dict[str, httpx.Client]]:
    """A client of each service, without a key."""
    made = {
        name: httpx.Client(base_url=url, timeout=30) for name, url in product.stack.urls.items()
    }
    yield made
    for client in made.values():
        client.close()


def check_problem(answer: httpx.Response) -> dict[str, Any]:
    """Check that an answer is problem details; return them."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text[:300]
    found: dict[str, Any] = answer.json()
    assert found["status"] == answer.status_code < 500, found
    assert found["message"] == found["detail"] != ""
    assert re.fullmatch(r"[a-z_]+", found["code"])
    assert found["request_id"] == answer.headers["x-request-id"]
    return found


@pytest.mark.parametrize("name", CASES)
def test_wrong_input_is_named(
    clients: dict[str, httpx.Client], secrets: dict[str, str], account: str, name: str
) -> None:
    case = CASES[name]
    headers = {"Content-Type": "application/json", **case.send.get("headers", {})}
    if case.key is not None:
        headers["Authorization"] = f"Bearer {secrets[case.key]}"
    send = {**case.send, "headers": headers}
    if "json" in send:
        send["content"] = json.dumps(send.pop("json")).replace("{account}", account)
    path = case.path.replace("{account}", account)
    answer = clients[case.service].request(case.method, path, **send)
    found = check_problem(answer)
    assert (answer.status_code, found["code"]) == (case.status, case.code), found


def test_an_idempotency_key_with_another_body_is_refused(product: Product) -> None:
    client, headers = product.client("onboarding"), {"Idempotency-Key": an_account("key")}
    first = client.post(ACCOUNTS, json={"name": "A"}, headers=headers)
    again = client.post(ACCOUNTS, json={"name": "A"}, headers=headers)
    other = client.post(ACCOUNTS, json={"name": "B"}, headers=headers)
    assert first.content == again.content
    assert (other.status_code, check_problem(other)["code"]) == (422, "idempotency_key_reused")


NONSENSE = ["\0", "'; DROP TABLE accounts; --", "x" * 3000, "%", "\u202e\u2028", "-1", "{}", "null"]
BODIES: list[Any] = [{}, [], "x", None, {"a": {"b": ["\0"]}}]


@pytest.mark.parametrize("service", SERVICES)
def test_no_route_answers_500_to_nonsense(
    clients: dict[str, httpx.Client], secrets: dict[str, str], service: str
) -> None:
    client = clients[service]
    headers = {"Authorization": f"Bearer {secrets['full']}", "If-Match": '"1"'}
    routes = 0
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            if path.endswith("/stream"):
                continue  # it has no end
            routes += 1
            for number, nonsense in enumerate(NONSENSE):
                query = {
                    each["name"]: nonsense
                    for each in operation.get("parameters", [])
                    if each["in"] == "query"
                }
                answer = client.request(
                    method,
                    re.sub(r"\{\w+\}", quote(nonsense, safe=""), path),
                    params=query,
                    headers=headers,
                    json=BODIES[number % len(BODIES)],
                )
                assert answer.status_code < 500, (method, path, nonsense, answer.text)
                if answer.status_code >= 400:
                    check_problem(answer)
    assert routes >= 5
