"""The command line, assembled."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import typer
from typer._click import ClickException

from tenure.cli.lazy import Lazy, LazyGroup
from tenure.cli.output import WrongUse, err, talking_to_a_machine, told


class _Commands(LazyGroup):
    def main(self, args: Sequence[str] | None = None, *more: Any, **options: Any) -> Any:
        """Run the command; with --json how it was called wrongly is told in JSON as well."""
        words = list(sys.argv[1:] if args is None else args)
        if "--json" not in words:
            return super().main(words, *more, **options)
        with talking_to_a_machine():
            try:
                code = super().main(words, *more, **{**options, "standalone_mode": False})
            except ClickException as misuse:
                code = told(WrongUse(misuse.format_message()), misuse.exit_code)
        sys.exit(code)

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
        "signals": Lazy("tenure.cli.signals", "Types of signals of the company's own."),
        "webhooks": Lazy("tenure.cli.webhooks", "Mappings of webhooks to signals."),
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
