"""tenure migrate."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer

from shared.db.migrate import State, migration_engine, states
from shared.db.migrate import migrate as run_migrations
from tenure.catalog import SCHEMAS
from tenure.cli.databases import fail_for
from tenure.cli.output import DatabaseUrl, Json, fail, print_json, print_table
from tenure.cli.running import admin_url


def migrate(
    database: DatabaseUrl = "",
    role_password: Annotated[
        str,
        typer.Option(
            envvar="TENURE_DB_PASSWORD",
            help="Make a login role tenure_<service> for each schema, with this password.",
        ),
    ] = "",
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 unless all is at head.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring every service's schema to its newest revision, one at a time under a lock.

    Example: [bold]tenure migrate --database postgresql://postgres@localhost/tenure[/bold]
    """
    found = asyncio.run(_run(admin_url(database), role_password or None, check=check))
    rows = [{**asdict(state), "at_head": state.is_at_head} for state in found]
    if as_json:
        print_json({"schemas": rows})
    else:
        print_table(["schema", "current", "head", "at_head"], rows, empty="no schemas")
    if not all(state.is_at_head for state in found):
        fail("some schemas are not at head; run `tenure migrate`")


async def _run(url: str, role_password: str | None, *, check: bool) -> list[State]:
    engine = migration_engine(url)
    try:
        if check:
            return await states(engine, SCHEMAS)
        return await run_migrations(engine, SCHEMAS, role_password=role_password)
    except Exception as error:
        fail_for(error)
        raise
    finally:
        await engine.dispose()
