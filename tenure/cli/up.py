"""tenure up."""

import os
import signal
import threading
from typing import Annotated

import typer

from tenure.catalog import SERVICES
from tenure.cli.output import Json, err, explain, fail, out, print_json
from tenure.cli.running import Running, data_home
from tenure.stack.errors import StackError
from tenure.stack.local import LocalStack, Plan


def up(
    broker: Annotated[
        str, typer.Option(help="embedded, apache (needs Java 17 and Maven), or HOST:PORT.")
    ] = "embedded",
    database: Annotated[
        str, typer.Option(help="Administrator's URL of your PostgreSQL; default: embedded.")
    ] = "",
    *,
    as_json: Json = False,
) -> None:
    """Run the whole product on this machine until Ctrl-C; data stays in TENURE_HOME (.tenure).

    The embedded broker is for development: it forgets on restart what was not processed.

    Example: [bold]tenure up --broker apache[/bold]
    """
    if Running.find() is not None:
        fail("it is already running from this folder; stop it first, or set TENURE_HOME")
    plan = Plan(
        folder=data_home().absolute(),
        broker=broker,
        database=database,
        ports={name: entry.port for name, entry in SERVICES.items()},
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        with LocalStack(plan).running(_say) as stack:
            _run(stack, stop, as_json=as_json)
    except StackError as error:
        fail(explain(error))


def _run(stack: LocalStack, stop: threading.Event, *, as_json: bool) -> None:
    running = Running(stack.admin_url, stack.bootstrap, stack.urls, os.getpid())
    stack.supervise(_say)
    with running.announced():
        if as_json:
            print_json({"urls": running.urls, "broker": running.bootstrap, "ready": True})
        else:
            _greet(running)
        stop.wait()
        _say("stopping")


def _greet(running: Running) -> None:
    for name, url in running.urls.items():
        out.print(f"  {name:14} {url}/docs")
    out.print(f"  {'broker':14} {running.bootstrap}")
    out.print("Make a key: tenure keys create me --scope admin. Ctrl-C stops everything.")


def _say(what: str) -> None:
    err.print(f"[dim]tenure:[/dim] {what}")
