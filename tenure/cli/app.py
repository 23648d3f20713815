"""The command line, assembled."""

import sys
from collections.abc import Mapping
from typing import ClassVar

import typer

from tenure.cli.lazy import Lazy, LazyGroup
from tenure.cli.output import err


class _Commands(LazyGroup):
    lazy: ClassVar[Mapping[str, Lazy]] = {
        "up": Lazy(
            "tenure.cli.up",
            "Run the whole product on this machine until Ctrl-C; "
            "data stays in TENURE_HOME (.tenure).",
            "up",
        ),
        "serve": Lazy(
            "tenure.cli.serve",
            "Run one service: its API, its listeners, its relay and its timers, until SIGTERM.",
            "serve",
        ),
        "migrate": Lazy(
            "tenure.cli.migrate",
            "Bring every service's schema to its newest revision, one at a time under a lock.",
            "migrate",
        ),
        "demo": Lazy(
            "tenure.cli.demo",
            "Play a story on real input, told live, and check everything that came of it.",
            "demo",
        ),
        "replay": Lazy(
            "tenure.cli.replay",
            "Send a file of past usage through the same road as live events, counted once.",
            "replay",
        ),
        "doctor": Lazy(
            "tenure.cli.doctor",
            "Look at everything Tenure needs and say what is wrong and what to do; "
            "exit 1 if any is.",
            "doctor",
        ),
        "topics": Lazy("tenure.cli.topics", "The topics in Kafka."),
        "keys": Lazy("tenure.cli.keys", "API keys."),
        "events": Lazy("tenure.cli.events", "Events on the wire."),
        "dlq": Lazy("tenure.cli.dlq", "Dead letters: what could not be processed."),
        "health": Lazy("tenure.cli.health", "Health of accounts."),
        "profiles": Lazy("tenure.cli.profiles", "Health profiles: the rules that judge accounts."),
        "usage": Lazy("tenure.cli.usage", "Usage that was counted."),
    }


app = typer.Typer(
    name="tenure",
    cls=_Commands,
    help="Tenure: know within seconds when a customer slips away, why, and what to do.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback()
def _group() -> None:
    """Every command is of `_Commands`."""


def main() -> None:
    """Run the command; Ctrl-C exits with 130."""
    try:
        app()
    except KeyboardInterrupt:
        err.print("stopped")
        sys.exit(130)
