"""tenure keys."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated
from uuid import UUID

import typer

from shared.auth import keys as api_keys
from shared.db.transaction import Transaction
from tenure.cli.databases import run_in
from tenure.cli.output import DatabaseUrl, Json, err, out, print_json, print_table
from tenure.cli.running import admin_url

app = typer.Typer(no_args_is_help=True, help="API keys.")

_COLUMNS = ["id", "name", "source", "scopes", "prefix", "created_at", "last_used_at", "revoked_at"]


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[
        list[str],
        typer.Option(help="usage:write, <service>:read, <service>:write or admin; repeatable."),
    ],
    source: Annotated[
        str, typer.Option(help="Source of the usage events it writes; default: the name.")
    ] = "",
    days: Annotated[
        int, typer.Option(min=0, max=36_500, help="Days until it expires; 0: never.")
    ] = 0,
    database: DatabaseUrl = "",
    *,
    as_json: Json = False,
) -> None:
    """Make a key and show its secret, this once.

    Example: [bold]tenure keys create billing-backend --scope usage:write[/bold]
    """

    async def make(tx: Transaction) -> api_keys.NewKey:
        expires_at = tx.now + timedelta(days=days) if days else None
        return await api_keys.create(
            tx, name=name, source=source or name, scopes=scope, expires_at=expires_at
        )

    made = run_in(admin_url(database), "auth", make)
    if as_json:
        print_json({**asdict(made.key), "secret": made.secret})
    else:
        out.print(made.secret, soft_wrap=True)
        err.print("[dim]shown once; only its hash is kept[/dim]")


@app.command("list")
def list_all(database: DatabaseUrl = "", *, as_json: Json = False) -> None:
    """List all keys, newest first.

    Example: [bold]tenure keys list --json[/bold]
    """
    rows = [asdict(key) for key in run_in(admin_url(database), "auth", api_keys.list_keys)]
    if as_json:
        print_json({"keys": rows})
    else:
        print_table(_COLUMNS, rows, empty="there are no keys; `tenure keys create` makes one")


@app.command("revoke")
def revoke(
    key_id: Annotated[UUID, typer.Argument(help="Id of the key, from `tenure keys list`.")],
    database: DatabaseUrl = "",
    *,
    as_json: Json = False,
) -> None:
    """Make a key useless, everywhere within seconds.

    Example: [bold]tenure keys revoke 0199d0c2-7e2a-7bb1-9d0e-3f1f6b8f2a11[/bold]
    """

    async def end(tx: Transaction) -> None:
        await api_keys.revoke(tx, key_id)

    run_in(admin_url(database), "auth", end)
    if as_json:
        print_json({"id": key_id, "revoked": True})
    else:
        out.print(f"{key_id} is revoked")
