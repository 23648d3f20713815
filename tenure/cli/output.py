"""What every command prints, for people on a terminal and, with --json, for machines."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.contracts.showing import read_shown
from shared.kernel.errors import Refusal

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, for machines.")]
DatabaseUrl = Annotated[
    str,
    typer.Option(
        "--database",
        envvar="TENURE_ADMIN_DATABASE_URL",
        help="PostgreSQL URL of an administrator; default: the running local stack's.",
    ),
]
Bootstrap = Annotated[
    str,
    typer.Option(
        "--broker",
        envvar="TENURE_KAFKA_BOOTSTRAP",
        help="Kafka bootstrap HOST:PORT; default: the running local stack's.",
    ),
]


def print_json(value: Any) -> None:
    """Print one JSON document on stdout, its numbers as they are shown everywhere."""
    document = json.dumps(value, default=_plain)
    rounded = json.loads(document, parse_float=read_shown)
    sys.stdout.write(json.dumps(rounded, indent=2) + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, empty: str) -> None:
    """Print rows as a table, or a sentence when there are none."""
    if not rows:
        out.print(empty)
        return
    table = Table(*columns)
    for row in rows:
        # What is shown was written by others: brackets in it are not ours.
        table.add_row(*(escape(_cell(row.get(column))) for column in columns))
    out.print(table)


def fail(message: str, code: int = 1) -> NoReturn:
    """Say what went wrong and what to do on stderr, and exit."""
    err.print(f"[red]tenure:[/red] {escape(message)}", soft_wrap=True)
    raise typer.Exit(code)


def explain(error: BaseException) -> str:
    """Return an error in words."""
    if isinstance(error, Refusal):
        return error.detail
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, (list, tuple, set, frozenset)):
        return " ".join(map(str, sorted(value)))
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (UUID, Path)):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    raise TypeError(type(value).__name__)
