"""tenure replay."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.health.usecases.usage.intake import USAGE_HEADERS
from shared.bus.packing import Packer
from shared.bus.producer import Producer
from shared.bus.topics import USAGE_TOPIC
from shared.kernel.clock import SystemClock
from shared.kernel.errors import Refusal
from tenure.cli.output import Bootstrap, Json, err, explain, fail, out, print_json
from tenure.cli.running import bootstrap
from tenure.replaying.files import UnreadableFile, read_rows
from tenure.replaying.replay import Outcome, Replay
from tenure.replaying.rows import COLUMNS


def replay(
    file: Annotated[
        Path, typer.Argument(help="CSV, NDJSON (both also .gz) or Parquet; see docs/operations.md.")
    ],
    source: Annotated[
        str, typer.Option(help="Source of the events; with it ids count once.")
    ] = "replay",
    broker: Bootstrap = "",
    *,
    restart: Annotated[
        bool, typer.Option("--restart", help="From the first row, though part of it is sent.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Send a file of past usage through the same road as live events, counted once.

    A replay that was interrupted goes on where it stopped. Rows that cannot become events are
    written to FILE.rejected.ndjson. Old days open no alerts. Each row needs account_id, event and
    timestamp; id, user_id, count and properties are optional. Lines of NDJSON may be CloudEvents
    and Segment messages instead.

    Example: [bold]tenure replay history.csv --source warehouse[/bold]
    """
    try:
        outcome = asyncio.run(
            _replay(Replay(file, source, SystemClock()), bootstrap(broker), restart=restart)
        )
    except (Refusal, OSError) as error:
        fail(f"{explain(error)}; what was acknowledged is kept: run the same command to go on")
    if as_json:
        print_json(outcome.as_dict())
    else:
        out.print(
            f"{outcome.sent} events sent from {outcome.rows} rows, {outcome.rejected} rejected, "
            f"{outcome.skipped} rows were sent before"
        )
        if outcome.columns_left_out:
            columns = ", ".join(outcome.columns_left_out)
            note = f"columns that are not sent: {columns}; put them into `properties`"
            out.print(note, markup=False)
    if outcome.rejected:
        err.print(f"rejected rows are in {outcome.rejected_file}", markup=False, soft_wrap=True)
        raise typer.Exit(1)


async def _replay(work: Replay, address: str, *, restart: bool) -> Outcome:
    producer = Producer(address)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    try:
        rows = read_rows(work.file, COLUMNS)
        with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
            task = progress.add_task(escape(work.file.name), total=rows.total)
            return await work.run(
                Packer(producer, USAGE_TOPIC, USAGE_HEADERS),
                rows,
                lambda done: progress.update(task, completed=done),
                restart=restart,
            )
    except UnreadableFile as error:
        fail(error, 2)
    finally:
        await producer.stop()
