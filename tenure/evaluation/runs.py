"""Evaluate the drop detector, on generated usage or on real counts, and write it down."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from services.health.usecases.files.files import load_profile
from shared.kernel.errors import Invalid
from tenure.evaluation import report
from tenure.evaluation.comparison import compare
from tenure.evaluation.real_counts import POOLINGS, find_drops, keep_budget, read_counts

Found = tuple[Mapping[str, Any], str]


class TooLittleUsage(Invalid):
    """The file has too little usage of people who stay: give two years of 12 events a week."""


def on_generated(seeds: range, document: Path | None, tell: Callable[[str], None]) -> Found:
    """Compare methods on generated usage; return the figures and the section of the document."""
    quality = compare(seeds, tell)
    text = report.generated_section(quality, seeds)
    if document:
        chart = document.parent / "images" / "drop-detector.svg"
        chart.write_text(report.chart(quality), encoding="utf-8")
        report.replace_section(document, "generated", text)
    return report.as_json(methods=quality), text


def on_counts(
    data: Path, seeds: range, document: Path | None, tell: Callable[[str], None]
) -> Found:
    """Plant drops in real counts and keep a budget on them; return figures and section.

    Raises `TooLittleUsage`, or the refusal of a file that cannot be read.
    """
    counts = read_counts(data)
    found = []
    for pooling in POOLINGS:
        tell(f"{report.people(pooling)}, {pooling.a_week:g} events a week")
        found += find_drops(counts, pooling, seeds)
    tell("keeping a budget")
    kept = keep_budget(counts, load_profile().drop, seeds[0])
    if not kept or not found:
        raise TooLittleUsage(
            f"{data}: too little usage of people who stay; "
            "give at least two years of 12 events a week"
        )
    text = report.real_section(found, kept, seeds)
    if document:
        report.replace_section(document, "real", text)
    return report.as_json(drops=found, budget=kept), text
