"""A report of the benchmarks with one section, whose count may be wrong."""

from typing import Any

from benchmarks.checks import Ledger

HEAD = {
    "measured_at": "2026-01-31T12:00:00+00:00",
    "machine": {"cores": 2, "cpu": "a processor"},
    "options": {"broker": "embedded"},
}


def section(*, counted: int = 100, value: float = 0.6) -> dict[str, Any]:
    ledger = Ledger()
    ledger.check("events", expected=100, counted=counted)
    return {
        "ratios": {
            "P1_vs_raw": {
                "value": value,
                "ours": 60.0,
                "baseline": 100.0,
                "unit": "events/s",
                "target": 0.5,
            }
        },
        "targets": {"P2_p99_ms": {"value": 900.0, "target": 1_000, "unit": "ms"}},
        "counts": [check.as_dict() for check in ledger.checks],
        "missing": {"quix": "is not installed"},
    }
