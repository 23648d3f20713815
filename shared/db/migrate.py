"""Migrations: each schema has its own revisions, version table and role.

They run one at a time under an advisory lock, so any number of replicas may start them at once.
Revisions only go forward; a mistake is mended by the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

if TYPE_CHECKING:
    # Imported where it is used: commands that migrate nothing need not wait for it.
    from alembic.config import Config

_LOCK = "SELECT pg_advisory_lock(hashtext('tenure migrate'))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtext('tenure migrate'))"


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema and where its revisions are.

    ``readers``: schemas whose roles may read it, and update the (table, column) pairs in
    ``updatable``.
    """

    name: str
    revisions: Path
    readers: tuple[str, ...] = ()
    updatable: tuple[tuple[str, str], ...] = ()

    @property
    def role(self) -> str:
        """The database role that owns what is in it, as far as the service is concerned."""
        return role_of(self.name)


@dataclass(frozen=True, slots=True)
class State:
    """Where a schema's migrations stand: revision now, and the newest one there is."""

    schema: str
    current: str | None
    head: str

    @property
    def is_at_head(self) -> bool:
        """Whether nothing is left to do."""
        return self.current == self.head


def role_of(schema: str) -> str:
    """Return the name of a schema's database role."""
    return f"tenure_{schema}"


def migration_engine(url: str) -> AsyncEngine:
    """Return an engine for an administrator's URL, without the services' time limits."""
    return create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))


async def migrate(
    engine: AsyncEngine, schemas: Sequence[Schema], *, role_password: str | None
) -> list[State]:
    """Bring every schema to its newest revision; return where each one stands.

    With ``role_password`` a login role is made for each schema (or its password set), which may
    use that schema and nothing else.
    """
    async with engine.connect() as connection:
        await connection.execute(text(_LOCK))
        await connection.commit()
        try:
            if role_password is not None:
                for schema in schemas:
                    await _make_role(connection, schema, role_password)
            for schema in schemas:
                await _migrate_one(connection, schema, owned=role_password is not None)
            return await _states(connection, schemas)
        finally:
            await connection.rollback()
            await connection.execute(text(_UNLOCK))
            await connection.commit()


async def states(engine: AsyncEngine, schemas: Sequence[Schema]) -> list[State]:
    """Return where each schema's migrations stand, changing nothing."""
    async with engine.connect() as connection:
        return await _states(connection, schemas)


async def _migrate_one(connection: AsyncConnection, schema: Schema, *, owned: bool) -> None:
    owner = f"AUTHORIZATION {schema.role}" if owned else ""
    await connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema.name}" {owner}'))
    if owned:
        # What a service's role owns it may also partition and drop; nobody else's is in reach.
        await connection.execute(text(f"SET LOCAL ROLE {schema.role}"))
    await connection.execute(text(f'SET LOCAL search_path TO "{schema.name}"'))
    # A migration that cannot get its lock soon gives way to the traffic and is run again.
    await connection.execute(text("SET LOCAL lock_timeout TO '5s'"))
    await connection.run_sync(_upgrade, schema)
    for reader in schema.readers if owned else ():
        await _let_read(connection, schema, role_of(reader))
    await connection.commit()


def _upgrade(connection: Connection, schema: Schema) -> None:
    from alembic import command  # noqa: PLC0415 - see above

    command.upgrade(_config(schema, connection), "head")


def _config(schema: Schema, connection: Connection | None = None) -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
    config.set_main_option("version_locations", str(schema.revisions))
    config.set_main_option("path_separator", "newline")
    config.attributes["schema"] = schema.name
    config.attributes["connection"] = connection
    return config


async def _make_role(connection: AsyncConnection, schema: Schema, password: str) -> None:
    create = (
        f"DO $$ BEGIN CREATE ROLE {schema.role} LOGIN; "
        "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    quoted = password.replace("'", "''").replace(":", "\\:")
    await connection.execute(text(create))
    await connection.execute(text(f"ALTER ROLE {schema.role} LOGIN PASSWORD '{quoted}'"))
    await connection.commit()


async def _let_read(connection: AsyncConnection, schema: Schema, reader: str) -> None:
    """Grant what ``readers`` may do: read all, and update the columns that are theirs to touch."""
    await connection.execute(text(f'GRANT USAGE ON SCHEMA "{schema.name}" TO {reader}'))
    tables = f'ALL TABLES IN SCHEMA "{schema.name}"'
    await connection.execute(text(f"GRANT SELECT ON {tables} TO {reader}"))
    for table, column in schema.updatable:
        grant = f'GRANT UPDATE ({column}) ON "{schema.name}"."{table}" TO {reader}'
        await connection.execute(text(grant))


async def _states(connection: AsyncConnection, schemas: Sequence[Schema]) -> list[State]:
    return [await connection.run_sync(_state, schema) for schema in schemas]


def _state(connection: Connection, schema: Schema) -> State:
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415 - see above
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - see above

    options: dict[str, Any] = {
        "version_table": "migrations",
        "version_table_schema": schema.name,
    }
    current = MigrationContext.configure(connection, opts=options).get_current_revision()
    head = ScriptDirectory.from_config(_config(schema)).get_current_head()
    return State(schema.name, current, head or "")
