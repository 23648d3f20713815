"""Requests on a real database: an answer means it is done, and done once."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from shared.db.migrate import migration_engine
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tenure.stack.ports import free_port
from tests.conftest import OpenClient, OpenDatabase, make_app
from tests.stacks import Stack

ACCOUNTS = "/api/v1/accounts"
KEY = {"Idempotency-Key": "order-17"}
SCOPES = ["onboarding:read", "onboarding:write"]
REFUSE = """
CREATE FUNCTION onboarding.refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'not at commit'; END $$
"""
AT_COMMIT = """
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON onboarding.accounts
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION onboarding.refuse()
"""


@pytest.fixture
async def client(open_client: OpenClient) -> httpx.AsyncClient:
    return await open_client("onboarding", SCOPES)


@pytest.fixture
async def onboarding(open_database: OpenDatabase) -> Database:
    return await open_database("onboarding")


async def count(database: Database, table: str) -> int:
    async with database.transaction() as tx:
        return int(await tx.fetch_value(f"SELECT count(*) FROM {table}"))


async def administer(url: str, *statements: str) -> None:
    engine = migration_engine(url)
    async with engine.connect() as raw:
        connection = await raw.execution_options(isolation_level="AUTOCOMMIT")
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()


async def test_a_commit_that_fails_is_no_success(
    client: httpx.AsyncClient, onboarding: Database, database_url: str
) -> None:
    await administer(database_url, REFUSE, AT_COMMIT)
    answer = await client.post(ACCOUNTS, json={"account_id": "acme", "name": "Acme"}, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "not at commit" not in answer.text
    for table in ("accounts", "outbox", "idempotency_keys", "timers"):
        assert await count(onboarding, table) == 0


async def test_the_same_order_by_ten_at_once_is_done_once(
    client: httpx.AsyncClient, onboarding: Database
) -> None:
    order = {"name": "Acme"}
    answers = await asyncio.gather(
        *(client.post(ACCOUNTS, json=order, headers=KEY) for _ in range(10))
    )
    assert {answer.status_code for answer in answers} <= {201, 409}
    refused = [answer for answer in answers if answer.status_code == 409]
    assert {answer.json()["code"] for answer in refused} <= {"idempotency_key_in_flight"}
    assert all(answer.headers["Retry-After"] == "1" for answer in refused)
    again = await client.post(ACCOUNTS, json=order, headers=KEY)
    done = [answer for answer in (*answers, again) if answer.status_code == 201]
    assert len({answer.text for answer in done}) == 1
    assert await count(onboarding, "accounts") == 1


async def test_an_order_sent_again_gets_the_first_answer(
    client: httpx.AsyncClient, onboarding: Database
) -> None:
    first, again = [
        await client.post(ACCOUNTS, json={"name": "Ümlaut & Söhne"}, headers=KEY) for _ in range(2)
    ]
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert [again.headers[name] for name in ("etag", "location")] == [
        first.headers[name] for name in ("etag", "location")
    ]
    assert await count(onboarding, "accounts") == 1
    assert await count(onboarding, "outbox") == 2  # opened, and its plan


@pytest.mark.parametrize(
    ("path", "body"),
    [(ACCOUNTS, {"name": "Other"}), (f"{ACCOUNTS}/acme/contacts", {"name": "Acme"})],
)
async def test_a_key_used_for_another_request_is_refused(
    client: httpx.AsyncClient, onboarding: Database, path: str, body: dict[str, Any]
) -> None:
    await client.post(ACCOUNTS, json={"name": "Acme"}, headers=KEY)
    answer = await client.post(path, json=body, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert await count(onboarding, "accounts") == 1


async def test_a_key_is_forgotten_after_24_hours(
    client: httpx.AsyncClient, onboarding: Database, clock: FixedClock
) -> None:
    order = {"name": "Acme"}
    first = await client.post(ACCOUNTS, json=order, headers=KEY)
    clock.advance(timedelta(hours=23, minutes=59))
    assert (await client.post(ACCOUNTS, json=order, headers=KEY)).content == first.content
    clock.advance(timedelta(minutes=1))
    later = await client.post(ACCOUNTS, json=order, headers=KEY)
    assert later.status_code == 201
    assert later.json()["account_id"] != first.json()["account_id"]
    assert await count(onboarding, "accounts") == 2


async def test_a_refused_order_leaves_nothing_and_may_be_mended(
    client: httpx.AsyncClient, onboarding: Database
) -> None:
    wrong = {"account_id": "acme", "name": "Acme", "time_zone": "Mars/Olympus"}
    assert (await client.post(ACCOUNTS, json=wrong, headers=KEY)).status_code == 422
    right = {**wrong, "time_zone": "Europe/Berlin"}
    assert (await client.post(ACCOUNTS, json=right, headers=KEY)).status_code == 201
    assert await count(onboarding, "accounts") == 1


async def test_keys_of_two_callers_are_two_keys(
    client: httpx.AsyncClient, open_client: OpenClient, onboarding: Database
) -> None:
    other = await open_client("onboarding", SCOPES)
    for each in (client, other):
        answer = await each.post(ACCOUNTS, json={"name": "Acme"}, headers=KEY)
        assert answer.status_code == 201
    assert await count(onboarding, "accounts") == 2


async def test_while_the_database_is_gone_requests_are_told_to_come_back(
    client: httpx.AsyncClient, stack: Stack, database_url: str
) -> None:
    assert (await client.get(ACCOUNTS)).status_code == 200
    name = database_url.rpartition("/")[2]
    await administer(
        stack.admin_url,
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    )
    gone = await client.post(ACCOUNTS, json={"account_id": "acme", "name": "Acme"})
    not_ready = await client.get("/readyz")
    await administer(stack.admin_url, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert (gone.status_code, gone.json()["code"]) == (503, "unavailable")
    assert int(gone.headers["Retry-After"]) > 0
    assert not_ready.status_code == 503
    assert "database" in not_ready.json()["checks"]
    back = await client.post(ACCOUNTS, json={"account_id": "acme", "name": "Acme"})
    assert back.status_code == 201


async def test_a_service_that_never_reached_its_database_answers_503(clock: FixedClock) -> None:
    app = make_app(
        "onboarding",
        clock,
        database_url=f"postgresql://postgres:x@127.0.0.1:{free_port()}/tenure",
        kafka_bootstrap=f"127.0.0.1:{free_port()}",
        workers=False,
    )
    headers = {"Authorization": f"Bearer tnr_abcdefgh_{'x' * 43}"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url="http://tenure.test",
            headers=headers,
        ) as client,
    ):
        answer = await client.get(ACCOUNTS)
        assert (await client.get("/livez")).status_code == 200
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
