"""The command of the benchmarks, and the files that it writes."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from benchmarks import __main__ as command
from benchmarks import report
from benchmarks.checks import Ledger
from benchmarks.options import Options
from tests.builders.reports import HEAD, section


class TestTheReport:
    def test_survives_being_written_and_read(self, tmp_path: Path) -> None:
        found = report.assemble(HEAD, {"p1": section()})
        report.save(tmp_path / "latest.json", found)
        assert report.load(tmp_path / "latest.json") == found

    def test_puts_its_table_between_the_markers_of_the_page_and_leaves_the_rest(
        self, tmp_path: Path
    ) -> None:
        page = tmp_path / "performance.md"
        page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
        report.write_table(page, report.assemble(HEAD, {"p1": section()}))
        text = page.read_text()
        assert text.startswith("before\n")
        assert text.endswith("\nafter\n")
        assert "old" not in text
        assert "60.00 against 100 events/s" in text


def _bench(out: Path, counted: int) -> Any:
    """Run the command with a benchmark that counts what it is told to."""

    def pretend(_options: Options, ledger: Ledger) -> dict[str, Any]:
        ledger.check("events", expected=100, counted=counted)
        return {key: section()[key] for key in ("ratios", "targets")}

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
