"""Commands that are imported when they are run, not when the command line is read.

Together they import the product, numpy and scipy: seconds that `tenure --help` need not take.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


@dataclass(frozen=True, slots=True)
class Lazy:
    """Where a command is, and what the list of commands says of it: its first sentence."""

    module: str
    help: str
    attribute: str = "app"

    def load(self) -> Any:
        """Import the command: a `typer.Typer` of several, or the function of one."""
        return getattr(import_module(self.module), self.attribute)


class LazyGroup(TyperGroup):
    """Lists its commands without importing them, and imports the one that is run."""

    lazy: ClassVar[Mapping[str, Lazy]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, command in self.lazy.items():
            self.add_command(TyperCommand(name, help=command.help))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Import the command that is run."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and name in self.lazy:
            command = _loaded(name, self.lazy[name])
        return name, command, rest


def _loaded(name: str, lazy: Lazy) -> Any:
    found, parent = lazy.load(), typer.Typer(rich_markup_mode="rich")
    if isinstance(found, typer.Typer):
        parent.add_typer(found, name=name)
    else:
        parent.command(name)(found)
    return get_group(parent).commands[name]
