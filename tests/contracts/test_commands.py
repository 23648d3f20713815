"""The list of commands says what each command says of itself, though it imports none."""

import subprocess
import sys

import pytest
import typer
from typer.main import get_group

from tenure.cli.app import app

GROUP = get_group(app)


@pytest.mark.parametrize("name", GROUP.commands)
def test_the_list_says_what_the_command_says_of_itself(name: str) -> None:
    context = typer.Context(GROUP)
    _, command, _ = GROUP.resolve_command(context, [name])

    assert command.name == name
    assert GROUP.commands[name].get_short_help_str(200) == command.get_short_help_str(200)


def test_help_waits_for_none_of_what_takes_long_to_import() -> None:
    heavy = {"aiokafka", "fastapi", "numpy", "pydantic", "scipy", "sqlalchemy"}
    code = "import sys, tenure.cli.app; print(*{name.split('.')[0] for name in sys.modules})"
    found = subprocess.check_output([sys.executable, "-c", code], text=True)  # noqa: S603 - our own

    assert heavy.isdisjoint(found.split())
