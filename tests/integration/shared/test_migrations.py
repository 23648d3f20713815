"""Migrations: as often and by as many as you like; each role opens its own schema."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copy
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from services.health.domain.usage.arrivals import keys_of
from services.health.domain.usage.known_ids import KnownIds
from services.health.storage.usage import usage_ids
from shared.auth import keys
from shared.auth.key_ring import KeyRing
from shared.db.engine import create_engine
from shared.db.migrate import Schema, migrate, migration_engine, role_of, states
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock, SystemClock
from tenure.catalog import SCHEMAS, SERVICES
from tests.conftest import NOON
from tests.stacks import Stack

PASSWORD = r"it's:a %20 \'pass\:word"
BROKEN = """
from alembic import op

revision = "broken_0001"
down_revision = None


def upgrade() -> None:
    op.execute("CREATE TABLE half (id int)")
    op.execute("CREATE TABLE half (id int)")
"""


@pytest_asyncio.fixture
async def empty_url(stack: Stack) -> AsyncIterator[str]:
    """A database with nothing in it."""
    name = f"test_{uuid4().hex}"
    await _run(stack.admin_url, f"CREATE DATABASE {name}")
    yield stack.url(name)
    await _run(stack.admin_url, f"DROP DATABASE {name} WITH (FORCE)")


async def _run(url: str, statement: str) -> None:
    engine = migration_engine(url)
    async with engine.connect() as raw:
        connection = await raw.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(statement))
    await engine.dispose()


async def migrate_all(url: str, *, role_password: str | None = None) -> list[Any]:
    engine = migration_engine(url)
    try:
        return await migrate(engine, SCHEMAS, role_password=role_password)
    finally:
        await engine.dispose()


async def test_migrating_again_changes_nothing(empty_url: str) -> None:
    engine = migration_engine(empty_url)
    assert {state.current for state in await states(engine, SCHEMAS)} == {None}
    first = await migrate(engine, SCHEMAS, role_password=None)
    assert all(state.is_at_head for state in first)
    assert await migrate(engine, SCHEMAS, role_password=None) == first
    assert await states(engine, SCHEMAS) == first
    await engine.dispose()


async def test_three_at_once_take_turns(empty_url: str) -> None:
    found = await asyncio.gather(*(migrate_all(empty_url, role_password="p") for _ in range(3)))
    assert all(state.is_at_head for each in found for state in each)


async def test_a_migration_that_fails_leaves_nothing_and_gives_the_lock_back(
    empty_url: str, tmp_path: Path
) -> None:
    (tmp_path / "0001_broken.py").write_text(BROKEN)
    broken = Schema("broken", tmp_path)
    engine = migration_engine(empty_url)
    with pytest.raises(DBAPIError):
        await migrate(engine, [*SCHEMAS, broken], role_password=None)
    async with engine.connect() as connection:
        left = (await connection.execute(text("SELECT to_regclass('broken.half')"))).scalar()
    assert left is None
    await asyncio.wait_for(migrate_all(empty_url), 30)
    await engine.dispose()


@pytest_asyncio.fixture
async def owned_url(empty_url: str) -> str:
    """A migrated database in which each service has its role."""
    await migrate_all(empty_url, role_password=PASSWORD)
    return empty_url


async def as_service(url: str, service: str, sql: str, **values: Any) -> Any:
    """Run a statement as the role of a service."""
    role = make_url(url).set(username=role_of(service), password=PASSWORD)
    engine = create_engine(role.render_as_string(hide_password=False), schema=service, pool_size=1)
    database = Database(engine, service=service, clock=SystemClock())
    try:
        async with database.transaction() as tx:
            return (await tx.connection.execute(text(sql), values)).rowcount
    finally:
        await database.close()


async def make_key(url: str, **wanted: Any) -> keys.NewKey:
    database = Database(
        create_engine(url, schema="auth", pool_size=1), service="auth", clock=FixedClock(NOON)
    )
    async with database.transaction() as tx:
        made = await keys.create(tx, name="k", source="s", **wanted)
    await database.close()
    return made


async def test_a_service_recognises_a_key_and_notes_its_use(owned_url: str) -> None:
    made = await make_key(owned_url, scopes=["health:read"])
    role = make_url(owned_url).set(username=role_of("health"), password=PASSWORD)
    engine = create_engine(role.render_as_string(hide_password=False), schema="health")
    clock = FixedClock(NOON)
    database = Database(engine, service="health", clock=clock)
    ring = KeyRing(database, clock)
    principal = await ring.authenticate(made.secret)
    assert principal is not None
    assert principal.scopes == {"health:read"}
    async with database.transaction() as tx:
        assert await tx.fetch_value("SELECT last_used_at FROM auth.api_keys") == NOON
        await keys.list_keys(tx)
    await database.close()


FORBIDDEN = {
    "insert a key": "INSERT INTO auth.api_keys SELECT gen_random_uuid(), name, source, "
    "scopes, 'p', secret_sha256, now() FROM auth.api_keys",
    "widen a key": "UPDATE auth.api_keys SET scopes = ARRAY['admin']",
    "revive a key": "UPDATE auth.api_keys SET revoked_at = NULL",
    "prolong a key": "UPDATE auth.api_keys SET expires_at = NULL",
    "take a key over": "UPDATE auth.api_keys SET secret_sha256 = sha256('mine')",
    "delete a key": "DELETE FROM auth.api_keys",
    "drop the keys": "DROP TABLE auth.api_keys",
    "read another's accounts": "SELECT * FROM health.accounts",
    "write into another's outbox": "UPDATE health.outbox SET publishedat = NULL",
    "move another's position": "DELETE FROM health.positions",
    "become another": "SET ROLE tenure_health",
    "make a schema": "CREATE SCHEMA mine",
    "make a role": "CREATE ROLE mine",
    "read the server's files": "COPY positions FROM '/etc/passwd'",
}


async def test_a_service_reaches_its_own_schema_and_nothing_else(owned_url: str) -> None:
    await make_key(owned_url, scopes=["health:read"])
    assert await as_service(owned_url, "onboarding", "SELECT * FROM accounts") == 0
    refused = {}
    for what, sql in FORBIDDEN.items():
        with pytest.raises(DBAPIError) as error:
            await as_service(owned_url, "onboarding", sql)
        refused[what] = error.value.orig.sqlstate  # type: ignore[union-attr]
    assert refused == dict.fromkeys(FORBIDDEN, "42501")


@pytest.mark.parametrize("service", SERVICES)
async def test_the_role_of_a_service_owns_what_it_made(owned_url: str, service: str) -> None:
    assert await as_service(owned_url, service, "CREATE TABLE later (id int)") == -1
    await as_service(owned_url, service, "DROP TABLE later")


async def test_a_revoked_and_an_expired_key_open_nothing(owned_url: str) -> None:
    gone = await make_key(owned_url, scopes=["admin"])
    brief = await make_key(
        owned_url, scopes=["admin"], expires_at=datetime(2026, 3, 2, 13, tzinfo=UTC)
    )
    clock = FixedClock(NOON)
    database = Database(create_engine(owned_url, schema="auth"), service="auth", clock=clock)
    ring = KeyRing(database, clock)
    assert await ring.authenticate(gone.secret)
    assert await ring.authenticate(brief.secret)
    async with database.transaction() as tx:
        await keys.revoke(tx, gone.key.id)
    clock.advance(timedelta(seconds=6))
    assert await ring.authenticate(gone.secret) is None
    assert await ring.authenticate(brief.secret)
    clock.advance(timedelta(hours=1))
    assert await ring.authenticate(brief.secret) is None
    await database.close()


async def test_ids_that_were_kept_by_the_row_stay_known(empty_url: str, tmp_path: Path) -> None:
    health = next(schema for schema in SCHEMAS if schema.name == "health")
    for revision in sorted(health.revisions.glob("0*.py"))[:9]:
        copy(revision, tmp_path)
    engine = migration_engine(empty_url)
    await migrate(engine, [replace(health, revisions=tmp_path)], role_password=None)
    known = keys_of("/shop", [str(number) for number in range(1_000)])
    async with engine.begin() as raw:
        await raw.execute(text("SET search_path TO health"))
        for day in ("2026-03-01", "2026-03-02"):
            name = f"usage_ids_{day.replace('-', '')}"
            table = f"CREATE TABLE {name} PARTITION OF usage_ids FOR VALUES FROM ('{day}') TO"
            await raw.execute(text(f"{table} (DATE '{day}' + 1)"))
        for place, key in enumerate(known[:500]):
            row = f"('2026-03-0{1 + place % 2}', '{key.hex()}')"
            await raw.execute(text(f"INSERT INTO usage_ids (day, key) VALUES {row}"))
        await raw.execute(text("UPDATE usage_today SET day = '2026-03-02'"))
    await migrate(engine, [health], role_password=None)
    await engine.dispose()
    engine = create_engine(empty_url, schema="health", pool_size=1)
    database = Database(engine, service="health", clock=FixedClock(NOON))
    async with database.transaction() as tx:
        assert (await usage_ids.decide(tx, known, KnownIds()))[1].known == set(known[:500])
        assert await tx.fetch_value("SELECT count(DISTINCT key) FROM usage_id_keys") == 500
    await database.close()
