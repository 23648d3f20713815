"""tenure profiles."""

import getpass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.reading import ProfileInvalid
from services.health.storage.profile import profiles
from services.health.usecases.profile.activation import (
    activate_version,
    add_version,
    check_document,
    retire_version,
)
from services.health.usecases.profile.documents import Document, read_document, summary_of
from services.health.usecases.profile.profiles import PROFILES, shipped_documents
from shared.db.transaction import Row, Transaction
from tenure.cli.databases import run_in
from tenure.cli.output import DatabaseUrl, Json, err, fail, out, print_json, print_table
from tenure.cli.running import admin_url
from tenure.cli.written import path_of

app = typer.Typer(no_args_is_help=True, help="Health profiles: the rules that judge accounts.")

Name = Annotated[str, typer.Argument(help="Name of the profile, such as default.")]
Version = Annotated[int, typer.Argument(min=1, max=1_000_000_000, help="Number of the version.")]
File = Annotated[
    Path, typer.Argument(help="A profile as YAML or JSON, - for standard input; docs/profiles.md.")
]
Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        help="Without a database: not beside what is stored, extending shipped profiles only.",
    ),
]
_COLUMNS = ["name", "active", "newest", "stored", "since (UTC)", "by"]
_MOST = 1_000


@app.command("list")
def list_all(database: DatabaseUrl = "", *, as_json: Json = False) -> None:
    """List profiles, the version that judges and the newest one.

    Example: [bold]tenure profiles list[/bold]
    """

    async def load(tx: Transaction) -> list[dict[str, Any]]:
        await PROFILES.current(tx)
        return [dict(row) for row in await profiles.names(tx, after=None, limit=_MOST)]

    rows = run_in(admin_url(database), "health", load)
    if as_json:
        print_json({"profiles": rows})
    else:
        print_table(_COLUMNS, [_listed(row) for row in rows], empty="there are no profiles")


@app.command("show")
def show(
    name: Name,
    version: Annotated[
        int, typer.Argument(min=0, max=1_000_000_000, help="0: the active one, or the newest.")
    ] = 0,
    database: DatabaseUrl = "",
    *,
    as_json: Json = False,
) -> None:
    """Show a version as it was written: a copy of it is how a new one begins.

    Example: [bold]tenure profiles show default > mine.yml[/bold]
    """

    async def load(tx: Transaction) -> Row | None:
        await PROFILES.current(tx)
        return await profiles.get(tx, name, version or await _usual(tx, name))

    row = run_in(admin_url(database), "health", load)
    if row is None:
        fail(f"there is no profile {name}{f'@{version}' if version else ''}; list them first")
    if as_json:
        print_json({**row, "summary": summary_of(parse_profile(row["document"]))})
    else:
        typer.echo(row["source"], nl=not row["source"].endswith("\n"))
        err.print(f"[dim]{escape(_standing(row))}[/dim]")


@app.command("validate")
def validate(
    file: File, database: DatabaseUrl = "", *, offline: Offline = False, as_json: Json = False
) -> None:
    """Check a profile as if it were added; nothing is stored.

    Example: [bold]tenure profiles validate mine.yml[/bold]
    """
    text = _read(file)
    if offline:
        _say(_read_alone(text), [], done="reads well by itself", as_json=as_json)
        return

    async def check(tx: Transaction) -> tuple[Document, list[str]]:
        await PROFILES.current(tx)
        return await check_document(tx, text)

    _say(*run_in(admin_url(database), "health", check), done="is valid", as_json=as_json)


@app.command("add")
def add(file: File, database: DatabaseUrl = "", *, as_json: Json = False) -> None:
    """Store a version of a profile; it judges nobody before it is activated.

    Example: [bold]tenure profiles add mine.yml[/bold]
    """
    text = _read(file)

    async def store(tx: Transaction) -> tuple[Document, list[str]]:
        return await add_version(tx, text, _who())

    _say(*run_in(admin_url(database), "health", store), done="is stored", as_json=as_json)


@app.command("activate")
def activate(
    name: Name, version: Version, database: DatabaseUrl = "", *, as_json: Json = False
) -> None:
    """Let a version judge its accounts from now on, and show its back-test.

    Example: [bold]tenure profiles activate default 2[/bold]
    """

    async def put(tx: Transaction) -> Row:
        return await activate_version(tx, name, version, _who())

    _tell(run_in(admin_url(database), "health", put), as_json=as_json)


@app.command("retire")
def retire(
    name: Name, version: Version, database: DatabaseUrl = "", *, as_json: Json = False
) -> None:
    """Let the active version judge nobody any more; its accounts fall to the next best profile.

    Example: [bold]tenure profiles retire enterprise 1[/bold]
    """

    async def end(tx: Transaction) -> Row:
        return await retire_version(tx, name, version, _who())

    _tell(run_in(admin_url(database), "health", end), as_json=as_json)


async def _usual(tx: Transaction, name: str) -> int:
    rows = await profiles.versions(tx, name, before=None, limit=_MOST)
    active = [row["version"] for row in rows if row["is_active"]]
    return int(next(iter([*active, *(row["version"] for row in rows)]), 0))


def _read(file: Path) -> str:
    try:
        return path_of(file).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        fail(f"{file} is not UTF-8 text; save it as UTF-8")
    except OSError as error:
        fail(f"cannot read {file}: {error.strerror}")


def _who() -> str:
    return f"{getpass.getuser()} (tenure profiles)"


def _read_alone(text: str) -> Document:
    try:
        return read_document(text, {one.profile.name: one.values for one in shipped_documents()})
    except ProfileInvalid as error:
        fail(error)


def _say(document: Document, warnings: list[str], *, done: str, as_json: bool) -> None:
    profile = document.profile
    if as_json:
        print_json(
            {
                "name": profile.name,
                "version": profile.version,
                "checksum": document.checksum,
                "warnings": warnings,
                "summary": summary_of(profile),
            }
        )
        return
    for warning in warnings:
        err.print(f"[yellow]warning:[/yellow] {escape(warning)}", soft_wrap=True)
    out.print(f"{profile.label} {done}")


def _tell(row: Row, *, as_json: bool) -> None:
    if as_json:
        print_json({k: v for k, v in row.items() if k not in {"document", "source"}})
        return
    out.print(_standing(row))
    if row["backtest"]:
        out.print("its newest back-test:", row["backtest"])
    else:
        out.print("no back-test was run for it: how well it finds who leaves is not known")


def _standing(row: Row) -> str:
    label = f"{row['name']}@{row['version']}"
    if row["is_active"]:
        return f"{label} judges accounts since {row['activated_at']:%Y-%m-%d %H:%M} UTC"
    return f"{label} is not active"


def _listed(row: dict[str, Any]) -> dict[str, Any]:
    since = row["activated_at"]
    return {
        "name": row["name"],
        "active": row["active_version"],
        "newest": row["newest_version"],
        "stored": row["versions"],
        "since (UTC)": f"{since:%Y-%m-%d %H:%M}" if since else "",
        "by": row["activated_by"],
    }
