"""tenure dlq."""

from typing import Annotated, Any

import typer

from shared.db import dead_letters
from shared.db.transaction import Transaction
from tenure.catalog import SERVICES
from tenure.cli.databases import run_in
from tenure.cli.output import DatabaseUrl, Json, fail, out, print_json, print_table
from tenure.cli.running import admin_url

app = typer.Typer(no_args_is_help=True, help="Dead letters: what could not be processed.")

_COLUMNS = [
    "service",
    "id",
    "topic",
    "partition",
    "record_offset",
    "code",
    "reason",
    "created_at",
    "retried_at",
]


@app.command("list")
def list_all(
    database: DatabaseUrl = "",
    service: Annotated[str, typer.Option(help="Only this service's.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many of each service.")] = 100,
    *,
    as_json: Json = False,
) -> None:
    """List dead letters, newest first, with the reason and the raw bytes.

    Example: [bold]tenure dlq list --service health --json[/bold]
    """
    url = admin_url(database)
    rows = [row for name in _services(service) for row in _letters(url, name, limit)]
    if as_json:
        print_json({"dead_letters": rows})
    else:
        print_table(_COLUMNS, rows, empty="there are no dead letters")


@app.command("retry")
def retry(
    service: Annotated[str, typer.Argument(help="The service that set them aside.")],
    ids: Annotated[list[int] | None, typer.Argument(help="Ids; default: all not retried.")] = None,
    database: DatabaseUrl = "",
    *,
    as_json: Json = False,
) -> None:
    """Put dead letters back on their topic, byte for byte; the running service does it in seconds.

    An event that was counted before is not counted again.

    Example: [bold]tenure dlq retry health 17 18[/bold]
    """
    _services(service)

    async def request(tx: Transaction) -> int:
        return await dead_letters.request_retry(tx, ids)

    asked = run_in(admin_url(database), service, request)
    if as_json:
        print_json({"service": service, "retried": asked})
    else:
        out.print(f"{asked} dead letters of {service} go back to their topics")
    if ids and asked < len(set(ids)):
        fail(f"only {asked} of {len(set(ids))} ids exist; `tenure dlq list` shows them")


def _services(name: str) -> list[str]:
    if name and name not in SERVICES:
        fail(f"no service {name!r}; there are {', '.join(SERVICES)}", 2)
    return [name] if name else list(SERVICES)


def _letters(url: str, service: str, limit: int) -> list[dict[str, Any]]:
    async def load(tx: Transaction) -> list[dict[str, Any]]:
        rows = await dead_letters.listed(tx, limit=limit)
        return [{"service": service, **row} for row in rows]

    return run_in(url, service, load)
