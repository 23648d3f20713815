"""tenure serve."""

import gc
import os
from typing import Annotated

import typer
from pydantic import ValidationError

from shared.kernel.errors import Refusal
from shared.web.settings import settings_in_words
from tenure import catalog
from tenure.cli.output import explain, fail

_DRAIN_SECONDS = 20


def serve(
    name: Annotated[str, typer.Argument(metavar="SERVICE", help="Which service to run.")],
    host: Annotated[str, typer.Option(envvar="TENURE_HOST", help="Address to listen on.")] = (
        "127.0.0.1"
    ),
    port: Annotated[
        int, typer.Option(envvar="TENURE_PORT", help="Port; default: the service's own.")
    ] = 0,
) -> None:
    """Run one service: its API, its listeners, its relay and its timers, until SIGTERM.

    It is configured by TENURE_* variables (docs/operations.md lists them).

    Example: [bold]TENURE_DATABASE_URL=postgresql://... tenure serve health[/bold]
    """
    try:
        entry = catalog.service(name)
        port = port or entry.port
        # The port is part of the member id, so that replicas on one machine differ.
        os.environ["TENURE_PORT"] = str(port)
        app = entry.create_app()
    except Refusal as error:
        fail(explain(error), 2)
    except ValidationError as error:
        fail(settings_in_words(error), 2)
    import uvicorn  # noqa: PLC0415 - the other commands need not wait for it

    spare_the_collector()
    uvicorn.run(
        app,
        host=host,
        port=port,
        loop="uvloop",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
        server_header=False,
    )


def spare_the_collector() -> None:
    """Let the collector of cycles look at little, and seldom. Called once, before serving."""
    # What is there now stays: it need not be looked at again and again.
    gc.collect()
    gc.freeze()
    # A window of usage makes hundreds of thousands of objects, hardly any in a cycle.
    gc.set_threshold(50_000, 20, 50)
