"""Files of one's own, checked without a stack."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.cli.commands import ROOT, Run

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]


@pytest.mark.parametrize(
    ("group", "text", "place"),
    [
        ("signals", "types:\n  a: {title: A, colour: red}\n", ("/types/a/colour", 2)),
        ("signals", "types: [\n", ("", 2)),
        ("webhooks", "colour: red\n", ("/colour", 1)),
    ],
)
def test_a_mistake_in_a_file_of_ones_own_is_told_with_its_place(
    tenure_here: Run, tmp_path: Path, group: str, text: str, place: tuple[str, int]
) -> None:
    path = tmp_path / "own.yml"
    path.write_text(text)
    said = tenure_here(group, "validate", str(path), "--json")
    errors = json.loads(said.out)["errors"]
    assert said.code == 1
    told = [(each["location"], each["pointer"], each.get("line")) for each in errors]
    assert ("own.yml", *place) in told


@pytest.mark.parametrize("group", ["signals", "webhooks"])
def test_a_file_of_ones_own_that_is_not_there_is_said(tenure_here: Run, group: str) -> None:
    said = tenure_here(group, "validate", "nowhere.yml")
    assert said.code == 1
    assert "nowhere.yml: cannot be read" in said.err


def test_the_shipped_catalogue_and_mappings_are_valid(tenure_here: Run) -> None:
    health = ROOT / "services" / "health"
    assert tenure_here("signals", "validate", str(health / "catalogue")).code == 0
    said = tenure_here("webhooks", "validate", str(health / "mappings"), "--json")
    assert json.loads(said.out)["mappings"] == ["stripe"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("renewals.tsv", "the column account_id is missing"),
        ("renewals.xlsx", "a workbook is not read; save its sheet as CSV (UTF-8)"),
    ],
)
def test_a_table_of_tabs_is_read_and_a_workbook_refused_with_a_hint(
    tenure_here: Run, tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / name).write_text("account\trenewal_date\tlost\n")
    (tmp_path / "usage.csv").write_text("account_id,event,day\n")
    outcomes, usage = str(tmp_path / name), str(tmp_path / "usage.csv")
    said = tenure_here("health", "backtest", "default", "--outcomes", outcomes, "--usage", usage)
    assert said.code == 2
    assert words in said.err


@pytest.mark.parametrize(
    "words", ["profiles validate - --offline", "signals validate -", "webhooks validate -"]
)
def test_a_file_may_come_from_standard_input(words: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "tenure", *words.split()],
        input="colour: red\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=ROOT,
    )
    assert done.returncode == 1
    assert "line 1, column 1: colour: unknown" in done.stderr
