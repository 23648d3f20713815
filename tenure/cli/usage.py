"""tenure usage."""

from datetime import date, datetime
from typing import Annotated, Any

import typer

from services.health.usecases.usage.verifying import Verification, verify_usage
from shared.db.transaction import Transaction
from tenure.cli.databases import run_in
from tenure.cli.output import DatabaseUrl, Json, err, fail, out, print_json, print_table
from tenure.cli.running import admin_url

app = typer.Typer(no_args_is_help=True, help="Usage that was counted.")

_DIFFERENT, _IMPOSSIBLE = 1, 2
_SHOWN = 100


@app.callback()
def _group() -> None:
    """Prove what was counted."""


@app.command("verify")
def verify(
    account: Annotated[str, typer.Option(help="Only this account's counts.")] = "",
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Only local days from this one on."),
    ] = None,
    database: DatabaseUrl = "",
    *,
    as_json: Json = False,
) -> None:
    """Compute the counts again from the raw events, and compare every one of them.

    Exit code 0: all are equal. 1: some differ, and are listed. 2: it could not be done.

    Example: [bold]tenure usage verify --since 2026-03-01[/bold]
    """

    async def work(tx: Transaction) -> Verification:
        day = since.date() if since else None
        return await verify_usage(tx, account_id=account or None, since=day, tell=_tell)

    done = run_in(admin_url(database), "health", work, code=_IMPOSSIBLE)
    if as_json:
        print_json(_as_json(done))
    else:
        _show(done)
    if done.differences:
        raise typer.Exit(_DIFFERENT)
    if not done.rows and not done.events and done.since != date.min:
        fail(f"raw events are complete from {done.since} on; there is nothing to compare", 2)


def _tell(events: int) -> None:
    err.print(f"{events:,} events read")


def _as_json(done: Verification) -> dict[str, Any]:
    return {
        "equal": not done.differences,
        "since": None if done.since == date.min else done.since,
        "events": done.events,
        "rows": done.rows,
        "ids": done.ids,
        "differences": [difference._asdict() for difference in done.differences],
    }


def _show(done: Verification) -> None:
    since = "of all days" if done.since == date.min else f"of days from {done.since} on"
    out.print(f"{done.events:,} raw events, {done.rows:,} counts {since}, {done.ids:,} ids")
    if not done.differences:
        out.print("every count equals what the raw events add up to")
        return
    columns = ["table", "account_id", "day", "what", "kept", "raw"]
    rows = [difference._asdict() for difference in done.differences[:_SHOWN]]
    print_table(columns, rows, empty="")
    err.print(f"{len(done.differences):,} differences")
