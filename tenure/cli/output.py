"""What every command prints, for people on a terminal and, with --json, for machines."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from shared.contracts.showing import read_shown
from shared.kernel.errors import Invalid, Refusal, type_of
from shared.kernel.figures import spoken

# What a program reads is cut nowhere: only a terminal has an edge. Both are needed to set one.
_WIDTH, _HEIGHT = (None, None) if sys.stdout.isatty() else (10_000, 100)
out = Console(highlight=False, width=_WIDTH, height=_HEIGHT)
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


class WrongUse(Invalid):
    """The command was called in a way it does not know."""


class NotDone(Refusal):
    """The command could not be done."""


@dataclass(slots=True)
class _Talk:
    """What is known of the command that runs: who listens, and whether it has answered."""

    is_to_a_machine: bool = False
    is_answered: bool = False


_talk = _Talk()


@contextmanager
def talking_to_a_machine() -> Iterator[None]:
    """Have stdout hold one JSON document for the length of a command: its answer, or a problem."""
    _talk.is_to_a_machine, _talk.is_answered = True, False
    try:
        yield
    finally:
        _talk.is_to_a_machine = False


def print_json(value: Any) -> None:
    """Print one JSON document on stdout, its numbers as they are shown everywhere."""
    document = json.dumps(value, default=_plain)
    rounded = json.loads(document, parse_float=read_shown)
    sys.stdout.write(json.dumps(rounded, indent=2) + "\n")
    _talk.is_answered = True


def print_table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, empty: str) -> None:
    """Print rows as a table, or a sentence when there are none."""
    if not rows:
        out.print(empty)
        return
    # Names with blanks can be wrapped. An id is for copying: nothing of it may be cut off.
    table = Table(
        *(Column(spoken(name), overflow="fold", no_wrap=name == "id") for name in columns)
    )
    for row in rows:
        # What is shown was written by others: brackets in it are not ours.
        table.add_row(*(escape(_cell(row.get(column))) for column in columns))
    out.print(table)


def fail(problem: str | Refusal, code: int = 1) -> NoReturn:
    """Say what went wrong and what to do, and exit."""
    raise typer.Exit(told(problem if isinstance(problem, Refusal) else NotDone(problem), code))


def told(problem: Refusal, code: int) -> int:
    """Say a problem, and return the exit code: to people on stderr.

    With --json it is the document on stdout, like the problem details of the API, unless the
    command has answered already; then the answer says what is wrong, and stderr why it failed.
    """
    if _talk.is_to_a_machine and not _talk.is_answered:
        print_json(_as_json(problem, code))
    else:
        err.print(f"[red]tenure:[/red] {escape(problem.detail)}", soft_wrap=True)
    return code


def _as_json(problem: Refusal, code: int) -> dict[str, Any]:
    return {
        "errors": [],
        **problem.context,
        "type": type_of(problem.code()),
        "title": problem.title(),
        "detail": problem.detail,
        "code": problem.code(),
        "exit_code": code,
    }


def explain(error: BaseException) -> str:
    """Return an error in words."""
    if isinstance(error, Refusal):
        return error.detail
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%MZ}"
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
