"""The command line, assembled."""

import sys

import typer

from tenure.cli import (
    demo,
    dlq,
    doctor,
    events,
    health,
    keys,
    migrate,
    profiles,
    replay,
    serve,
    topics,
    up,
    usage,
)
from tenure.cli.output import err

app = typer.Typer(
    name="tenure",
    help="Tenure: know within seconds when a customer slips away, why, and what to do.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("up")(up.up)
app.command("serve")(serve.serve)
app.command("migrate")(migrate.migrate)
app.command("demo")(demo.demo)
app.command("replay")(replay.replay)
app.command("doctor")(doctor.doctor)
app.add_typer(topics.app, name="topics")
app.add_typer(keys.app, name="keys")
app.add_typer(events.app, name="events")
app.add_typer(dlq.app, name="dlq")
app.add_typer(health.app, name="health")
app.add_typer(profiles.app, name="profiles")
app.add_typer(usage.app, name="usage")


def main() -> None:
    """Run the command; Ctrl-C exits with 130."""
    try:
        app()
    except KeyboardInterrupt:
        err.print("stopped")
        sys.exit(130)
