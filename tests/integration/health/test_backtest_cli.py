"""tenure health backtest: files in, figures and a report out, honest exit codes."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tenure.cli.app import app
from tests.builders.backtests import planted

FAST = ["--horizon-days", "150"]


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> str:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["health", "backtest", *arguments])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("backtest")
    usage, outcomes = planted(80)
    return write(folder / "usage.csv", usage), write(folder / "outcomes.csv", outcomes)


@pytest.fixture(scope="module")
def found(files: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str]:
    report = tmp_path_factory.mktemp("report") / "r.html"
    code, said, errors = run(
        "default", "--usage", files[0], "--outcomes", files[1], "--report", str(report), "--json",
        *FAST,
    )  # fmt: skip
    assert code == 0, errors
    return json.loads(said), report.read_text()


def test_losses_that_usage_foretells_are_found(found: tuple[Any, str]) -> None:
    overall = found[0]["expert"]["overall"]
    assert overall["auc"]["low"] > 0.5
    assert overall["precision"]["value"] > overall["base_rate"]["value"]
    assert found[0]["expert"]["lead_time"]["flagged"] > 0


def test_the_bar_is_the_expert_where_history_is_too_short_for_a_model(
    found: tuple[Any, str],
) -> None:
    assert found[0]["model"] is None
    assert found[0]["no_model_because"]
    assert "Expert weights stay in force" in found[0]["headline"]


def test_the_report_stands_alone(found: tuple[Any, str]) -> None:
    page = found[1]
    assert page.count("<svg") >= 3
    assert "<script" not in page
    assert "src=" not in page
    assert "default-src 'none'" in page


def test_the_same_seed_gives_the_same_figures(
    files: tuple[str, str], found: tuple[Any, str]
) -> None:
    code, said, _ = run("default", "--usage", files[0], "--outcomes", files[1], "--json", *FAST)
    assert (code, json.loads(said)) == (0, found[0])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"account_id": "a", "event": "x", "day": "soon"}], "usage.csv: row 1: day: write a day"),
        ([{"account_id": "", "event": "x", "day": "2026-01-01"}], "row 1: account_id"),
        ([{"account_id": "a", "event": "x"}], "it needs a column day or timestamp"),
        ([{"account_id": "a", "day": "2026-01-01"}], "the column event is missing"),
        (
            [{"account_id": "a", "event": "x", "day": "2026-01-01", "count": "-3"}],
            "row 1: count: write a number from 0",
        ),
        (
            [{"account_id": "a", "event": "x", "day": "2026-01-01", "known_at": "late"}],
            "row 1: known_at",
        ),
    ],
)
def test_wrong_usage_is_named_by_its_row(
    tmp_path: Path, files: tuple[str, str], rows: list[dict[str, Any]], words: str
) -> None:
    usage = write(tmp_path / "usage.csv", rows)
    code, _, errors = run("default", "--usage", usage, "--outcomes", files[1])
    assert code == 2
    assert words in errors.replace("\n", " ")


def test_thin_history_exits_with_one(tmp_path: Path, files: tuple[str, str]) -> None:
    few = [{"account_id": "a1", "renewal_date": "2025-01-01", "lost": 1}]
    outcomes = write(tmp_path / "outcomes.csv", few)
    code, _, errors = run("default", "--usage", files[0], "--outcomes", outcomes)
    assert code == 1
    assert "needs 10 of each kind" in errors.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nobody"], "there is no shipped profile nobody"),
        (["default@99"], "default is shipped at version"),
        (["default@new"], "write a version as a number"),
        (["missing.yml"], "the profile cannot be read"),
        (["default", "--budget", "lots"], "budget: write a share"),
        (["default", "--horizon-days", "5"], "min_lead_days"),
    ],
)
def test_wrong_arguments_exit_with_two(
    files: tuple[str, str], arguments: list[str], words: str
) -> None:
    code, _, errors = run(*arguments, "--usage", files[0], "--outcomes", files[1])
    assert code == 2
    assert words in errors.replace("\n", " ")


def test_a_first_day_to_judge_on_that_leaves_nothing_is_refused(files: tuple[str, str]) -> None:
    code, said, errors = run(
        "default", "--usage", files[0], "--outcomes", files[1], "--test-from", "2099-01-01", *FAST
    )
    assert (code, said) == (2, "")
    assert "test_from: on one side of 2099-01-01" in errors
