"""Which commands there are, and what they say when something cannot be done."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tenure.cli.app import app
from tests.e2e.cli.commands import NOWHERE, Run

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]


NO_DATABASE = f"postgresql://nobody:only-for-tests@{NOWHERE}/none"


def commands(group: Any, *names: str) -> Iterator[tuple[str, ...]]:
    """Yield every command there is, by its words."""
    if not hasattr(group, "commands"):
        yield names
        return
    for name in group.commands:
        # Listed commands are imported when they are run.
        _, command, _ = group.resolve_command(typer.Context(group), [name])
        yield from commands(command, *names, name)


COMMANDS = sorted(commands(typer.main.get_command(app)))


def test_the_commands_are_those_the_readme_promises() -> None:
    assert [" ".join(names) for names in COMMANDS] == [
        "demo",
        "dlq list",
        "dlq retry",
        "doctor",
        "events tail",
        "health backtest",
        "health evaluate-detector",
        "health explain",
        "keys create",
        "keys list",
        "keys revoke",
        "migrate",
        "profiles activate",
        "profiles add",
        "profiles list",
        "profiles retire",
        "profiles show",
        "profiles validate",
        "replay",
        "serve",
        "signals validate",
        "topics apply",
        "up",
        "usage verify",
        "webhooks validate",
    ]


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_help_has_an_example_of_the_command(names: tuple[str, ...]) -> None:
    said = CliRunner().invoke(app, [*names, "--help"], env={"COLUMNS": "250"})
    assert said.exit_code == 0
    assert f"tenure {' '.join(names)}" in said.output.partition("Example:")[2]
    assert names == ("serve",) or "--json" in said.output


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("keys list", 2, "no database: start `tenure up`, or give --database"),
        ("topics apply", 2, "no broker: start `tenure up`, or give --broker"),
        ("keys list --database mysql://x", 2, "postgresql://USER:PASSWORD@HOST:PORT/NAME"),
        (f"migrate --database {NO_DATABASE}", 1, "the database does not answer"),
        (f"dlq list --database {NO_DATABASE}", 1, "the database does not answer"),
        (f"dlq retry nothing --database {NO_DATABASE}", 2, "no service 'nothing'; there are"),
        (f"topics apply --broker {NOWHERE} --wait 0", 1, "the broker does not answer"),
        ("topics apply --file no-such-file.yml", 2, "no-such-file.yml"),
        (f"events tail --no-follow --broker {NOWHERE}", 1, "the broker does not answer"),
        (f"replay no[/]such.csv --broker {NOWHERE}", 2, "there is no file no[/]such.csv"),
        (f"replay README.md --broker {NOWHERE}", 2, "end it in one of .csv, .jsonl"),
        ("serve nothing", 2, "no service 'nothing'; there are onboarding"),
        ("demo --services-url health=http://x", 2, "must name each of onboarding"),
        ("keys revoke not-an-id", 2, "Invalid value for"),
        ("fly", 2, "No such command"),
    ],
)
def test_what_cannot_be_done_is_said_with_what_to_do(
    tenure_here: Run, arguments: str, code: int, words: str
) -> None:
    said = tenure_here(*arguments.split())
    assert (said.code, said.out) == (code, "")
    assert words in said.err
    assert "only-for-tests" not in said.err


def test_a_broker_that_is_away_is_said_in_one_line(tenure: Run) -> None:
    said = tenure("events", "tail", "--no-follow", "--broker", NOWHERE)
    assert (said.code, said.out) == (1, "")
    assert "tenure: the broker does not answer" in said.err
    assert "Unclosed" not in said.err
