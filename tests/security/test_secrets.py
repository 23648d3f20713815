"""What is secret or personal is in no log, no error and no repr; known secrets are refused."""

import json
import logging
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError
from sqlalchemy import text

from services.notifications.settings import Settings as NotificationSettings
from shared.auth import keys
from shared.bus.consumer import Batch
from shared.bus.dispatcher import Dispatcher
from shared.bus.listeners import on
from shared.bus.retry import Backoff
from shared.contracts.event import Event
from shared.contracts.onboarding import OwnerAssigned
from shared.db import inbox
from shared.db.migrate import migration_engine
from shared.db.transaction import Transaction
from shared.observability.logging import configure_logging, get_logger
from shared.web.settings import ServiceSettings
from tests.conftest import NOON, OpenClient, OpenDatabase
from tests.integration.health.test_usage_stream import FakeRecord

EMAIL, NAME = "kim.sorel@customer.example", "Kim Sorel-Private"
PRODUCTION = {"environment": "production", "workers": False}


class Log:
    """Everything that this process logs, as the lines it would write to stderr."""

    def __init__(self) -> None:
        self._stream = StringIO()

    def listen(self, service: str) -> None:
        """Log as a service does, and keep it; to be called once its app runs."""
        configure_logging(service, level="DEBUG")
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(self._stream)
        # What our own test client says about its requests is not the product's.
        logging.getLogger("httpx").setLevel("WARNING")

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    before = logging.getLogger().handlers
    yield Log()
    logging.getLogger().handlers = before


async def test_errors_of_requests_tell_the_log_nothing_personal_and_no_secret(
    open_client: OpenClient, open_database: OpenDatabase, database_url: str, log: Log
) -> None:
    client = await open_client("onboarding", ["onboarding:read", "onboarding:write"])
    log.listen("onboarding")
    secret = client.headers["Authorization"].removeprefix("Bearer ")
    await client.post("/api/v1/accounts", json={"account_id": "acme", "name": NAME})
    contact = {"name": NAME, "email": EMAIL, "role": "champion"}
    for body in (contact, contact, {**contact, "email": f"{EMAIL}\0"}, {**contact, "role": EMAIL}):
        await client.post("/api/v1/accounts/acme/contacts", json=body)
    await client.get("/api/v1/accounts", params={"owner_email": f"{EMAIL}\0"})
    await client.get("/api/v1/accounts", headers={"Authorization": f"Bearer {secret[:-1]}?"})
    # Break the database under it: the error of the statement must not repeat its values.
    engine = migration_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(
            text("ALTER TABLE onboarding.contacts ADD CHECK (name = 'nobody') NOT VALID")
        )
    await engine.dispose()
    broken = await client.post(
        "/api/v1/accounts/acme/contacts", json={**contact, "email": f"other.{EMAIL}"}
    )
    assert broken.status_code == 500
    assert [line for line in log.lines if line["event"] == "internal_error"]
    for hidden in (EMAIL, NAME, secret, str(urlsplit(database_url).password)):
        assert hidden not in log.text
        assert hidden not in broken.text


async def test_a_listener_that_fails_tells_the_log_nothing_personal(
    open_database: OpenDatabase, log: Log
) -> None:
    database = await open_database("notifications")
    log.listen("notifications")
    fact = OwnerAssigned(account_id="acme", role="csm", email=EMAIL, name=NAME)
    event = Event.of(fact, time=NOON, cause=None, traceparent=None)

    async def fail(tx: Transaction, heard: OwnerAssigned) -> None:
        await tx.execute("CREATE TEMPORARY TABLE once (address text PRIMARY KEY)")
        for _ in range(2):
            await tx.execute("INSERT INTO once VALUES (:address)", address=heard.email)

    async with database.transaction() as tx:
        await inbox.start_position(tx, "g", "t", {0: 0}, log_id="x")
    batch = Batch("t", 0, 0, [FakeRecord(event.to_json(), 0, topic="t")])
    dispatcher = Dispatcher(database, [on(OwnerAssigned, fail)], backoff=Backoff(0.001, 0.001, 2))
    await dispatcher.handle([batch], "g")
    assert [line for line in log.lines if line["event"] == "dead_letter"]
    async with database.transaction() as tx:
        reason = await tx.fetch_value("SELECT reason FROM dead_letters")
    assert "duplicate key" in reason
    for hidden in (EMAIL, NAME):
        assert hidden not in log.text
        assert hidden not in reason


async def test_the_log_cannot_be_forged(open_client: OpenClient, log: Log) -> None:
    client = await open_client("onboarding", ["onboarding:read"])
    log.listen("onboarding")
    forged = '\n{"level": "critical", "event": "all is lost"}\n\x1b[31m\u2028'
    get_logger("x").warning("told", what=forged)
    logging.getLogger("library").warning("told %s", forged)
    await client.get("/api/v1/accounts", headers={"X-Request-Id": "x {} y"})
    assert "all is lost" in log.text
    assert not [line for line in log.lines if line["event"] == "all is lost"]
    assert "\x1b" not in log.text


async def test_a_secret_is_kept_as_a_hash_only(open_database: OpenDatabase) -> None:
    database = await open_database("health")
    async with database.transaction() as tx:
        made = await keys.create(tx, name="k", source="s", scopes=["admin"])
        rows = [dict(row) for row in await tx.fetch_all("SELECT * FROM auth.api_keys")]
    random_part = made.secret.split("_", 2)[2]
    assert random_part not in repr(rows)
    assert made.secret not in repr(made)


@pytest.mark.parametrize("password", ["tenure", "postgres", "password", "", "changeme", "SECRET"])
def test_production_refuses_a_password_everybody_knows(password: str) -> None:
    url = f"postgresql://tenure:{password}@db:5432/tenure"
    with pytest.raises(ValidationError, match="TENURE_DATABASE_URL") as error:
        ServiceSettings(database_url=url, **PRODUCTION)
    assert not password or f":{password}@" not in str(error.value)


def test_production_refuses_to_start_on_defaults() -> None:
    with pytest.raises(ValidationError, match="TENURE_DATABASE_URL"):
        ServiceSettings(**PRODUCTION)
    with pytest.raises(ValidationError, match="TENURE_WEBHOOK_SECRET_KEY"):
        NotificationSettings(database_url="postgresql://t:Zx9-unknown@db/t", **PRODUCTION)


def test_settings_show_no_password() -> None:
    settings = NotificationSettings(
        database_url="postgresql://t:Zx9-unknown@db/t", smtp_url="smtp://u:Yw8-unknown@mail:25"
    )
    for hidden in ("Zx9-unknown", "Yw8-unknown", settings.webhook_secret_key.get_secret_value()):
        assert hidden not in repr(settings)
        assert hidden not in str(settings)


def test_an_error_in_one_setting_does_not_print_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TENURE_DATABASE_URL", "postgresql://t:Zx9-unknown@db/t")
    monkeypatch.setenv("TENURE_SMTP_URL", "http://u:Yw8-unknown@mail")
    monkeypatch.setenv("TENURE_PORT", "many")
    with pytest.raises(ValidationError) as error:
        NotificationSettings()
    assert "Zx9" not in str(error.value)
    assert "Yw8" not in str(error.value)


def test_no_secret_is_written_into_the_tree() -> None:
    root = Path(__file__).parents[2]
    example = (root / ".env.example").read_text()
    given = [
        line.partition("=") for line in example.splitlines() if "PASSWORD" in line or "KEY" in line
    ]
    assert not [name for name, _, value in given if not name.startswith("#") and value.strip()]
