"""The report of the benchmarks, and their refusal of a wrong count."""

from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.checks import Ledger
from tests.builders.reports import HEAD, section


class TestTheReport:
    def test_holds_every_promised_ratio_and_null_for_what_was_not_measured(self) -> None:
        found = report.assemble(HEAD, {"p1": section()})
        assert found["ratios"] == {
            "P1_vs_raw": 0.6,
            "P1_vs_best_framework": None,
            "P4_growth": None,
            "P5_vs_bare": None,
        }

    def test_holds_the_figures_a_ratio_comes_from_and_whether_its_target_is_met(self) -> None:
        figure = report.assemble(HEAD, {"p1": section()})["figures"]["P1_vs_raw"]
        assert (figure["ours"], figure["baseline"], figure["met"]) == (60.0, 100.0, True)

    def test_says_when_a_ratio_misses_its_target(self) -> None:
        found = report.assemble(HEAD, {"p1": section(value=0.4)})
        assert found["figures"]["P1_vs_raw"]["met"] is False
        assert "**no**" in report.table(found)

    def test_holds_other_targets_in_their_units(self) -> None:
        found = report.assemble(HEAD, {"p2": section()})
        assert found["targets"]["P2_p99_ms"] == {
            "value": 900.0,
            "target": 1_000,
            "unit": "ms",
            "met": True,
        }

    def test_names_a_rival_that_is_missing(self) -> None:
        assert report.assemble(HEAD, {"p1": section()})["missing"] == {"quix": "is not installed"}

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
        found = report.assemble(HEAD, {"p1": section(counted=99)})
        assert found["counts"]["exact"] is False

    def test_and_a_benchmark_that_did_not_end_is_not_exact_either(self) -> None:
        assert not report.is_exact({"p1": {**section(), "failed": "it stopped"}})
