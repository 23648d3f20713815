"""What the tests of notifications share: ears, couriers, receivers and a view of the log."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.notifications.gateways.mail import Mailer
from services.notifications.gateways.webhooks import WebhookSender
from services.notifications.jobs import Courier, mail_courier, webhook_courier
from services.notifications.listeners import LISTENERS
from services.notifications.settings import SmtpServer
from shared.contracts.event import Event, Fact
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tenure.demo.receivers import SmtpSink, WebhookReceiver
from tests.builders.notifications import VAULT, VAULT_KEY

Hear = Callable[..., Awaitable[list[Event]]]
Rows = Callable[[str], Awaitable[list[dict[str, Any]]]]


@dataclass(frozen=True)
class Desk:
    """The service as a test of its sending handles it."""

    database: Database
    clock: FixedClock
    api: httpx.AsyncClient
    hear: Hear
    rows: Rows

    async def add_endpoint(self, receiver: WebhookReceiver) -> dict[str, Any]:
        """Make a receiver an endpoint that it trusts."""
        answer = await self.api.post("webhook_endpoints", json={"url": receiver.url})
        receiver.trust(answer.json()["secret"])
        made: dict[str, Any] = answer.json()
        return made

    async def log(self, channel: str) -> list[dict[str, Any]]:
        """Return the deliveries of a channel, oldest first."""
        return await self.rows(
            f"SELECT * FROM deliveries WHERE channel = '{channel}' ORDER BY created_at, id"
        )


@pytest_asyncio.fixture
async def database(open_database: Callable[[str], Awaitable[Database]]) -> Database:
    return await open_database("notifications")


@pytest_asyncio.fixture
async def api(open_client: Callable[..., Awaitable[httpx.AsyncClient]]) -> httpx.AsyncClient:
    client = await open_client(
        "notifications",
        scopes=["notifications:read", "notifications:write"],
        webhook_allow_private=True,
        webhook_secret_key=VAULT_KEY,
    )
    client.base_url = httpx.URL("http://tenure.test/api/v1/")
    return client


@pytest.fixture
def hear(database: Database) -> Hear:
    """Lets the service hear facts, each as its consumer would; returns what it said."""

    async def hear_all(*facts: Fact) -> list[Event]:
        said: list[Event] = []
        for fact in facts:
            cause = Event.of(fact, time=database.clock.now(), cause=None, traceparent=None)
            async with database.transaction(cause=cause) as tx:
                for listener in LISTENERS:
                    if listener.fact is type(fact):
                        await listener.handle(tx, fact)
            said += tx.emitted
        return said

    return hear_all


@pytest.fixture
def rows(database: Database) -> Rows:
    """Returns what a query finds."""

    async def fetch(sql: str) -> list[dict[str, Any]]:
        async with database.transaction() as tx:
            return [dict(row) for row in await tx.fetch_all(sql)]

    return fetch


@pytest_asyncio.fixture
async def sink() -> AsyncIterator[SmtpSink]:
    async with SmtpSink() as started:
        yield started


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with WebhookReceiver() as started:
        yield started


@pytest.fixture
def post(sink: SmtpSink) -> Courier[Any]:
    """The courier of e-mail, without luck in its waits."""
    mailer = Mailer(SmtpServer.parse(sink.url), "Tenure <tenure@vendor.example>")
    return mail_courier(mailer, jitter=lambda: 0.5)


@pytest.fixture
def hooks() -> Courier[Any]:
    """The courier of webhooks, without luck in its waits."""
    return webhook_courier(WebhookSender(VAULT, allow_private=True), jitter=lambda: 0.5)


@pytest.fixture
def desk(
    database: Database, clock: FixedClock, api: httpx.AsyncClient, hear: Hear, rows: Rows
) -> Desk:
    return Desk(database, clock, api, hear, rows)
