"""The report of a run: one JSON object, and the table that people read.

Schema 1, described in docs/performance.md. A section stays until its benchmark is run again, and
says when it was; ratios, targets and counts are drawn from all sections that there are.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

RATIOS = ("P1_vs_raw", "P1_vs_best_framework", "P4_growth", "P5_vs_bare")
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
_SCHEMA = 1


def assemble(head: Mapping[str, Any], sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the report. ``head``: what is said of the run as a whole."""
    figures = _gathered(sections, "ratios")
    targets = _gathered(sections, "targets")
    checks = [
        {**check, "benchmark": name}
        for name, section in sections.items()
        for check in section.get("counts", ())
    ]
    return {
        "schema": _SCHEMA,
        **head,
        "ratios": {name: (figures.get(name) or {}).get("value") for name in RATIOS},
        "figures": {name: _judged({**each, "at_least": True}) for name, each in figures.items()},
        "targets": {name: _judged(each) for name, each in targets.items()},
        "counts": {"exact": is_exact(sections), "checks": checks},
        "missing": _gathered(sections, "missing"),
        "benchmarks": dict(sections),
    }


def is_exact(sections: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell whether every count of these sections is exact, and each section ran to its end."""
    return all(
        not section.get("failed") and all(check["ok"] for check in section.get("counts", ()))
        for section in sections.values()
    )


def load(path: Path) -> dict[str, Any]:
    """Return the report in a file, or nothing when there is none of this schema."""
    if not path.exists():
        return {}
    found = msgspec.json.decode(path.read_bytes())
    is_ours = isinstance(found, dict) and found.get("schema") == _SCHEMA
    return found if is_ours else {}


def save(path: Path, report: Mapping[str, Any]) -> None:
    """Write the report, readable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def table(report: Mapping[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    lines = ["| figure | measured | target | met | from |", "|---|---|---|---|---|"]
    for name, each in {**report["figures"], **report["targets"]}.items():
        sign = "≥" if each.get("at_least") else "≤"
        lines.append(
            f"| {name} | {_number(each['value'])} {_unit(name, each)} "
            f"| {sign} {_number(each['target'])} | {_met(each)} | {_from(each)} |"
        )
    return "\n".join(lines)


def write_table(page: Path, report: Mapping[str, Any]) -> None:
    """Put the table between the markers of a page; a page without them is left alone."""
    if not page.exists():
        return
    text = page.read_text(encoding="utf-8")
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if begin and end:
        machine = report["machine"]
        where = (
            f"Measured {report['measured_at'][:10]} on {machine['cores']} cores "
            f"({machine['cpu']}), broker: {report['options']['broker']}."
        )
        body = f"{BEGIN}\n\n{where}\n\n{table(report)}\n\n{END}"
        page.write_text(head + body + tail, encoding="utf-8")


def _gathered(sections: Mapping[str, Mapping[str, Any]], key: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for section in sections.values():
        found |= section.get(key) or {}
    return found


def _judged(each: Mapping[str, Any]) -> dict[str, Any]:
    value, target = each.get("value"), each["target"]
    if value is None:
        return {**each, "met": None}
    return {**each, "met": value >= target if each.get("at_least") else value <= target}


def _number(value: float | None) -> str:
    if value is None:
        return "not measured"
    return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"


def _unit(name: str, each: Mapping[str, Any]) -> str:
    return "x" if name in RATIOS else str(each.get("unit", ""))


def _met(each: Mapping[str, Any]) -> str:
    return {True: "yes", False: "**no**", None: "-"}[each["met"]]


def _from(each: Mapping[str, Any]) -> str:
    if each.get("baseline") is None:
        return str(each.get("note", ""))
    return f"{_number(each['ours'])} against {_number(each['baseline'])} {each.get('unit', '')}"
