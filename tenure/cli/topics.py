"""tenure topics."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from shared.bus.errors import BROKER_ERRORS
from shared.bus.topics import TOPICS_FILE, apply_topics, read_topics
from shared.kernel.errors import Refusal
from tenure.cli.output import Bootstrap, Json, explain, fail, print_json, print_table
from tenure.cli.running import bootstrap

app = typer.Typer(no_args_is_help=True, help="The topics in Kafka.")


@app.callback()
def _group() -> None:
    """Topics are declared in deploy/kafka/topics.yml."""


@app.command("apply")
def apply(
    broker: Bootstrap = "",
    file: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="The topics file.")
    ] = TOPICS_FILE,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the broker.")] = 30.0,
    *,
    as_json: Json = False,
) -> None:
    """Create the topics that are missing. Never changes one that exists.

    Example: [bold]tenure topics apply --broker localhost:9092[/bold]
    """
    try:
        outcome = asyncio.run(_apply(bootstrap(broker), file, wait))
    except BROKER_ERRORS as error:
        fail(f"the broker does not answer: {explain(error)}")
    except Refusal as refusal:
        fail(refusal)
    rows = [{"topic": name, "outcome": what} for name, what in outcome.items()]
    if as_json:
        print_json({"topics": rows})
    else:
        print_table(["topic", "outcome"], rows, empty="the topics file is empty")


async def _apply(broker: str, file: Path, wait: float) -> dict[str, str]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    while True:
        try:
            return await apply_topics(broker, read_topics(file))
        except BROKER_ERRORS:
            if loop.time() > deadline:
                raise
            await asyncio.sleep(0.5)
