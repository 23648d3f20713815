"""The report of the benchmarks, and their refusal of a wrong count."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks import __main__ as command
from benchmarks import report
from benchmarks.checks import Ledger
from benchmarks.options import Options

_HEAD = {
    "measured_at": "2026-01-31T12:00:00+00:00",
    "machine": {"cores": 2, "cpu": "a processor"},
    "options": {"broker": "embedded"},
}


def _section(*, counted: int = 100, value: float = 0.6) -> dict[str, Any]:
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


class TestTheReport:
    def test_holds_every_promised_ratio_and_null_for_what_was_not_measured(self) -> None:
        found = report.assemble(_HEAD, {"p1": _section()})
        assert found["ratios"] == {
            "P1_vs_raw": 0.6,
            "P1_vs_best_framework": None,
            "P4_growth": None,
            "P5_vs_bare": None,
        }

    def test_holds_the_figures_a_ratio_comes_from_and_whether_its_target_is_met(self) -> None:
        figure = report.assemble(_HEAD, {"p1": _section()})["figures"]["P1_vs_raw"]
        assert (figure["ours"], figure["baseline"], figure["met"]) == (60.0, 100.0, True)

    def test_says_when_a_ratio_misses_its_target(self) -> None:
        found = report.assemble(_HEAD, {"p1": _section(value=0.4)})
        assert found["figures"]["P1_vs_raw"]["met"] is False
        assert "**no**" in report.table(found)

    def test_holds_other_targets_in_their_units(self) -> None:
        found = report.assemble(_HEAD, {"p2": _section()})
        assert found["targets"]["P2_p99_ms"] == {
            "value": 900.0,
            "target": 1_000,
            "unit": "ms",
            "met": True,
        }

    def test_names_a_rival_that_is_missing(self) -> None:
        assert report.assemble(_HEAD, {"p1": _section()})["missing"] == {"quix": "is not installed"}

    def test_survives_being_written_and_read(self, tmp_path: Path) -> None:
        found = report.assemble(_HEAD, {"p1": _section()})
        report.save(tmp_path / "latest.json", found)
        assert report.load(tmp_path / "latest.json") == found

    def test_puts_its_table_between_the_markers_of_the_page_and_leaves_the_rest(
        self, tmp_path: Path
    ) -> None:
        page = tmp_path / "performance.md"
        page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
        report.write_table(page, report.assemble(_HEAD, {"p1": _section()}))
        text = page.read_text()
        assert text.startswith("before\n")
        assert text.endswith("\nafter\n")
        assert "old" not in text
        assert "60.00 against 100 events/s" in text

    def test_that_is_committed_is_of_this_schema(self) -> None:
        path = Path(report.__file__).parent / "results" / "latest.json"
        found = report.load(path)
        assert set(report.RATIOS) == set(found["ratios"])
        assert {"machine", "versions", "figures", "targets", "counts"} <= set(found)


class TestAWrongCount:
    @pytest.mark.parametrize("counted", [99, 101, 0, None])
    def test_is_refused_whether_too_few_or_too_many(self, counted: int | None) -> None:
        ledger = Ledger()
        assert ledger.check("events", expected=100, counted=counted) is False
        assert not ledger.is_exact

    def test_and_nothing_checked_is_no_proof(self) -> None:
        assert not Ledger().is_exact

    def test_makes_the_report_say_so(self) -> None:
        found = report.assemble(_HEAD, {"p1": _section(counted=99)})
        assert found["counts"]["exact"] is False

    def test_and_a_benchmark_that_did_not_end_is_not_exact_either(self) -> None:
        assert not report.is_exact({"p1": {**_section(), "failed": "it stopped"}})


def _bench(out: Path, counted: int) -> Any:
    """Run the command with a benchmark that counts what it is told to."""

    def pretend(_options: Options, ledger: Ledger) -> dict[str, Any]:
        ledger.check("events", expected=100, counted=counted)
        return {key: _section()[key] for key in ("ratios", "targets")}

    words = ["p1", "--json", "--out", str(out)]
    return CliRunner().invoke(command.app, words, obj={"p1": pretend})


class TestTheCommand:
    def test_ends_with_0_when_counts_are_exact_however_slow_it_was(self, tmp_path: Path) -> None:
        done = _bench(tmp_path / "found.json", counted=100)
        assert done.exit_code == 0
        assert json.loads(done.stdout)["ratios"]["P1_vs_raw"] == 0.6

    def test_ends_with_1_when_a_count_is_wrong_and_still_writes_the_report(
        self, tmp_path: Path
    ) -> None:
        done = _bench(tmp_path / "found.json", counted=99)
        assert done.exit_code == 1
        assert report.load(tmp_path / "found.json")["counts"]["exact"] is False

    def test_ends_with_2_for_a_benchmark_there_is_not(self) -> None:
        assert CliRunner().invoke(command.app, ["p8"]).exit_code == 2
