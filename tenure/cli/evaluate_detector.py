"""tenure health evaluate-detector."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markdown import Markdown

from shared.kernel.errors import Refusal
from tenure.cli.output import Json, err, fail, out, print_json

GENERATED = "generated"


def evaluate_detector(
    data: Annotated[
        str,
        typer.Option(help="'generated', or a file with the columns acct, day, n (real counts)."),
    ] = GENERATED,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.", min=0)] = 1,
    rounds: Annotated[
        int, typer.Option(help="Data sets, or ways to pool people, taken together.", min=1, max=20)
    ] = 8,
    document: Annotated[
        Path | None, typer.Option(help="Also write the table into this document, and its chart.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Measure how well usage drops are found, and how well the alert budget is kept.

    Takes about a minute on generated usage, and as long for every two rounds on counts. Example:
    [bold]tenure health evaluate-detector --data counts.parquet --rounds 3[/bold]
    """
    # scipy's distributions take seconds to load: no other command waits for them.
    from tenure.evaluation import runs  # noqa: PLC0415

    seeds = range(seed, seed + rounds)
    try:
        with err.status("starting") as progress:
            if data == GENERATED:
                figures, text = runs.on_generated(seeds, document, progress.update)
            else:
                figures, text = runs.on_counts(Path(data), seeds, document, progress.update)
    except Refusal as refusal:
        fail(refusal)
    except (OSError, ValueError) as error:
        fail(str(error))
    if as_json:
        print_json(figures)
    else:
        out.print(Markdown(text))
