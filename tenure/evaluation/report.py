"""The evaluation as people read it: tables in a document, a small chart, and JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tenure.evaluation.comparison import Quality
from tenure.evaluation.real_counts import Found, Kept, Pooling

_HALF_WIDTH = 0.98
"""1.96 standard errors of a share of one half, the widest there is, times the root of the count."""

_ROW, _TOP, _LEFT, _WIDE = 34, 46, 210, 420


def generated_section(found: Sequence[Quality], seeds: Sequence[int]) -> str:
    """Return the comparison of methods as markdown."""
    named = ", ".join(map(str, seeds))
    rows = [
        f"| {q.method} | {q.found_14:.3f} | {q.found_28:.3f} | {q.steps_14:.3f} | "
        f"{q.steps_28:.3f} | {q.ramps_28:.3f} | {q.sparse_28:.3f} | {_days(q.median_days)} | "
        f"{q.christmas:.1f} |"
        for q in found
    ]
    return "\n".join(
        [
            (
                f"Seeds {named}; {found[0].drops} drops of 50 to 100 %. Every method is set to one "
                "false alarm per account-year. A share of all drops is within "
                f"{_HALF_WIDTH / found[0].drops ** 0.5:.3f} of the truth (95 %)."
            ),
            "",
            (
                "| method | found in 14 days | in 28 | steps, 14 | steps, 28 | ramps, 28 "
                "| sparse, 28 | median days | alarms a year around Christmas |"
            ),
            "|---|---|---|---|---|---|---|---|---|",
            *rows,
        ]
    )


def real_section(found: Sequence[Found], kept: Sequence[Kept], seeds: Sequence[int]) -> str:
    """Return what was measured on real counts as markdown."""
    drops = [
        f"| {people(f.pooling)} | {f.pooling.a_week:g} | {f.alarms_a_year:g} | {f.p_star:.2f} | "
        f"{f.drops} | {f.windows} | {f.found_14:.2f} | {f.found_28:.2f} | "
        f"{f.low_28:.2f} to {f.high_28:.2f} | {_days(f.median_days)} |"
        for f in found
    ]
    budget = [
        f"| {k.band} | {k.p_star:.3f}{'' if k.is_calibrated else ' (start value)'} | "
        f"{k.chosen_on:.0f} | {k.chosen_rate:.2f} | {k.realised_on:.0f} | {k.realised_rate:.2f} | "
        f"{k.fixed_rate:.2f} |"
        for k in kept
    ]
    return "\n".join(
        [
            (
                f"Seeds {', '.join(map(str, seeds))}. Drops of 70 % planted in real counts, by own "
                "calibration to a number of alarms per account-year:"
            ),
            "",
            (
                "| people | events a week | alarms a year | p* | drops | windows "
                "| found in 14 days | in 28 | 95 % interval | median days |"
            ),
            "|---|---|---|---|---|---|---|---|---|---|",
            *drops,
            "",
            (
                f"Alarms per 100 accounts a month against a budget of {kept[0].budget:g}, "
                "p* chosen on the first half of the years, alarms counted in the second:"
            ),
            "",
            (
                "| volume | p* | chosen on, account-months | alarms there "
                "| counted on, account-months | alarms there | with the start value |"
            ),
            "|---|---|---|---|---|---|---|",
            *budget,
        ]
    )


def people(pooling: Pooling) -> str:
    """Return who is pooled, in words."""
    return "active throughout" if pooling.only_active else "everybody"


def replace_section(document: Path, name: str, text: str) -> None:
    """Put text between a section's markers. Raises ValueError when the document has none."""
    begin, end = f"<!-- evaluation {name}: begin -->", f"<!-- evaluation {name}: end -->"
    content = document.read_text(encoding="utf-8")
    head, found, rest = content.partition(begin)
    _, also_found, tail = rest.partition(end)
    if not found or not also_found:
        raise ValueError(f"{document} has no lines {begin} and {end}")
    document.write_text(f"{head}{begin}\n{text}\n{end}{tail}", encoding="utf-8")


def chart(found: Sequence[Quality]) -> str:
    """Return shares of drops found within 14 and 28 days as an SVG."""
    height = _TOP + _ROW * len(found) + 10
    bars = "".join(_bars(quality, number) for number, quality in enumerate(found))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDE + 70} {height}" '
        'font-family="sans-serif" font-size="13">'
        '<rect width="100%" height="100%" fill="#fff"/>'
        f'<text x="{_LEFT}" y="20" font-weight="bold">Share of drops found at one false alarm per '
        "account-year</text>"
        f'<text x="{_LEFT}" y="38" fill="#1f5f8b">within 14 days</text>'
        f'<text x="{_LEFT + 110}" y="38" fill="#7fb3d5">within 28 days</text>{bars}</svg>\n'
    )


def _bars(quality: Quality, number: int) -> str:
    y = _TOP + _ROW * number
    late, early = _WIDE * quality.found_28, _WIDE * quality.found_14
    return (
        f'<text x="{_LEFT - 8}" y="{y + 17}" text-anchor="end">{quality.method}</text>'
        f'<rect x="{_LEFT}" y="{y + 4}" width="{late:.0f}" height="20" fill="#7fb3d5"/>'
        f'<rect x="{_LEFT}" y="{y + 4}" width="{early:.0f}" height="20" fill="#1f5f8b"/>'
        f'<text x="{_LEFT + late + 6:.0f}" y="{y + 19}">{quality.found_28:.2f}</text>'
    )


def as_json(**parts: Sequence[Quality] | Sequence[Found] | Sequence[Kept]) -> dict[str, Any]:
    """Return the figures for machines; what was never found in most cases has no median days."""
    return {name: [_finite(asdict(one)) for one in part] for name, part in parts.items()}


def _finite(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: None if one == float("inf") else one for name, one in figures.items()}


def _days(days: float) -> str:
    return f"{days:.0f}" if days < float("inf") else "never"
