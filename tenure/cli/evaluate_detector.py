"""tenure health evaluate-detector."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markdown import Markdown

from services.health.settings import load_profile
from shared.kernel.errors import Refusal
from tenure.cli.output import Json, fail, out, print_json
from tenure.evaluation import report
from tenure.evaluation.comparison import compare
from tenure.evaluation.real_counts import VOLUMES, find_drops, keep_budget, read_counts

GENERATED = "generated"


def evaluate_detector(
    data: Annotated[
        str,
        typer.Option(help="'generated', or a file with the columns acct, day, n (real counts)."),
    ] = GENERATED,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.", min=0)] = 1,
    rounds: Annotated[
        int, typer.Option(help="How many generated data sets are pooled.", min=1, max=20)
    ] = 3,
    document: Annotated[
        Path | None, typer.Option(help="Also write the table into this document, and its chart.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Measure how well usage drops are found, and how well the alert budget is kept.

    Takes about a minute for each. Example: [bold]tenure health evaluate-detector --data
    counts.parquet --seed 1[/bold]
    """
    if data == GENERATED:
        seeds = range(seed, seed + rounds)
        quality = compare(seeds)
        name, text = GENERATED, report.generated_section(quality, seeds)
        figures = report.as_json(methods=quality)
        if document:
            _write(document.parent / "images" / "drop-detector.svg", report.chart(quality))
    else:
        name = "real"
        try:
            counts = read_counts(Path(data))
        except Refusal as refusal:
            fail(refusal.detail)
        found = [find_drops(counts, volume, seed) for volume in VOLUMES]
        kept = keep_budget(counts, load_profile().drop, seed)
        if not kept or not any(one.drops for one in found):
            fail(f"{data}: too little usage; give at least two years of 12 events a week")
        text = report.real_section(found, kept, seed)
        figures = report.as_json(drops=found, budget=kept)
    if document:
        try:
            report.replace_section(document, name, text)
        except (OSError, ValueError) as error:
            fail(str(error))
    if as_json:
        print_json(figures)
    else:
        out.print(Markdown(text))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
