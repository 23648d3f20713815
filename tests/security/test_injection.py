"""SQL in every text that can be sent: kept as it is, or refused; never run."""

from typing import Any
from urllib.parse import quote

import pytest

from shared.db.transaction import Database
from tests.conftest import OpenClient, OpenDatabase

HOSTILE = [
    "'; DROP TABLE accounts; --",
    '"; DROP SCHEMA onboarding CASCADE; --',
    "' OR '1'='1",
    "$$; DELETE FROM outbox; $$",
    ":name :limit %(x)s %s {0} \\",
    "Robert\u02bc); SELECT pg_sleep(10); --",
]
TABLES = "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()"


@pytest.fixture
async def onboarding(open_database: OpenDatabase) -> Database:
    return await open_database("onboarding")


async def tables(database: Database) -> int:
    async with database.transaction() as tx:
        return int(await tx.fetch_value(TABLES))


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_sql_in_a_name_is_a_name(
    open_client: OpenClient, onboarding: Database, hostile: str
) -> None:
    before = await tables(onboarding)
    client = await open_client("onboarding", ["onboarding:read", "onboarding:write"])
    made = await client.post("/api/v1/accounts", json={"account_id": "acme", "name": hostile})
    assert made.status_code == 201
    contact = {"name": hostile, "email": "a@b.example", "role": "user", "external_user_id": hostile}
    added = await client.post("/api/v1/accounts/acme/contacts", json=contact)
    assert added.status_code == 201
    owner = {"name": hostile, "email": "o@v.example"}
    await client.put(
        "/api/v1/accounts/acme/owners/csm", json=owner, headers={"If-Match": made.headers["ETag"]}
    )
    for query in ({"segment": hostile[:40]}, {"owner_email": hostile}):
        found = await client.get("/api/v1/accounts", params=query)
        assert (found.status_code, found.json()["data"]) == (200, [])
    assert (await client.get("/api/v1/accounts/acme")).json()["name"] == hostile
    (shown,) = (await client.get("/api/v1/accounts/acme/contacts")).json()["data"]
    assert (shown["name"], shown["external_user_id"]) == (hostile, hostile)
    assert await tables(onboarding) == before


REFUSED_OR_KEPT: list[tuple[str, str, str, dict[str, Any]]] = [
    ("renewals", "POST", "/api/v1/accounts/{h}/contracts", {}),
    ("renewals", "GET", "/api/v1/renewals?before={h}", {}),
    ("health", "POST", "/api/v1/accounts/acme/signals", {"type": "{h}"}),
    (
        "health",
        "POST",
        "/api/v1/accounts/acme/signals",
        {"type": "payment_failed", "external_id": "{h}"},
    ),
    ("health", "GET", "/api/v1/accounts/{h}/health", {}),
    ("health", "GET", "/api/v1/rejections?source={h}", {}),
    ("health", "GET", "/api/v1/risks?account_id={h}", {}),
    ("expansion", "GET", "/api/v1/accounts/{h}/opportunities", {}),
    ("notifications", "GET", "/api/v1/inbox?recipient={h}", {}),
    ("notifications", "GET", "/api/v1/deliveries?account_id={h}", {}),
    (
        "notifications",
        "POST",
        "/api/v1/subscriptions",
        {
            "recipient": {"email": "a@b.example", "name": "{h}"},
            "channels": ["inbox"],
            "events": ["risk.*"],
            "filter": {"segment": "{h}"},
        },
    ),
    (
        "notifications",
        "POST",
        "/api/v1/webhook_endpoints",
        {"url": "https://hooks.vendor.example/x", "description": "{h}"},
    ),
]


def _filled(body: Any, hostile: str) -> Any:
    if isinstance(body, dict):
        return {name: _filled(value, hostile) for name, value in body.items()}
    if isinstance(body, list):
        return [_filled(each, hostile) for each in body]
    return body.replace("{h}", hostile) if isinstance(body, str) else body


async def test_sql_anywhere_else_is_harmless(
    open_client: OpenClient, open_database: OpenDatabase
) -> None:
    for service in ("renewals", "health", "expansion", "notifications"):
        database = await open_database(service)
        before = await tables(database)
        client = await open_client(service, [f"{service}:read", f"{service}:write"])
        for name, method, path, body in REFUSED_OR_KEPT:
            if name != service:
                continue
            for hostile in HOSTILE:
                where, _, query = path.partition("?")
                url = client.base_url.join(where.replace("{h}", quote(hostile, safe="")))
                params = {query.partition("=")[0]: hostile} if query else None
                answer = await client.request(
                    method,
                    url,
                    params=params,
                    json=_filled(body, hostile) if body else None,
                    timeout=5,
                )
                assert answer.status_code < 500, (method, path, hostile, answer.text)
        assert await tables(database) == before


async def test_sql_in_usage_is_usage(open_client: OpenClient, open_database: OpenDatabase) -> None:
    database = await open_database("health")
    before = await tables(database)
    client = await open_client("health", ["usage:write"])
    batch = [
        {"type": "track", "messageId": each, "userId": each, "event": each, "context": {}}
        for each in HOSTILE
    ]
    answer = await client.post("/v1/batch", json={"batch": batch})
    assert answer.status_code == 200
    assert answer.json()["rejected"] == 0
    assert await tables(database) == before
    async with database.transaction() as tx:
        kept = await tx.fetch_value("SELECT count(*) FROM unattributed")
    assert kept == len(HOSTILE)
