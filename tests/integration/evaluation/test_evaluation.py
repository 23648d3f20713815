import csv
import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from services.health.usecases.files.files import load_profile
from tenure.cli.app import app
from tenure.evaluation import report
from tenure.evaluation.comparison import Quality, alarms_of, days_to_find, threshold_for
from tenure.evaluation.generator import DAYS, Drop, Usage, generate
from tenure.evaluation.methods import judge
from tenure.evaluation.real_counts import Pooling, find_drops, keep_budget, read_counts


def small(*, dip: bool) -> Usage:
    counts = np.full((8, 120), 20.0)
    if dip:
        counts[0, 80:] = 4
    return Usage(date(2026, 1, 5), counts, (0,) * 8, (Drop(0, 80, 0.8, 0),), (0, 1))


def people(path: Path, days: int = 420) -> Path:
    random = np.random.default_rng(4)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["acct", "day", "n"])
        for person in range(12):
            for n, y in enumerate(random.negative_binomial(1, 0.3, days)):
                if y:
                    out.writerow([person, date(2023, 1, 2) + timedelta(days=n), y])
    return path


def test_the_same_seed_makes_the_same_usage_with_drops_after_christmas() -> None:
    one, other = generate(5), generate(5)
    assert (one.counts == other.counts).all()
    assert one.drops == other.drops
    assert not (one.counts == generate(6).counts).all()
    assert {drop.day > one.christmas[1] for drop in one.drops} == {True}
    deep = [d for d in one.drops if d.share > 0.8 and not d.ramp]
    for drop in deep:
        row = one.counts[drop.account]
        assert row[drop.day :].mean() < 0.6 * row[drop.day - 60 : drop.day].mean()


def test_a_threshold_raises_the_wanted_rate_of_alarms() -> None:
    scores = np.random.default_rng(1).random((200, DAYS))
    threshold = threshold_for(scores, 2.0)
    raised = sum(map(len, alarms_of(scores, threshold)))
    assert raised / (200 * (DAYS - 56) / 365.25) == pytest.approx(2.0, abs=0.05)


def test_alarms_are_28_days_apart_and_a_drop_is_found_by_the_first_after_it() -> None:
    scores = np.zeros((1, 200))
    scores[0, 60:] = 1
    (alarms,) = alarms_of(scores, 0.5)
    assert alarms == [60, 88, 116, 144, 172]
    assert days_to_find(alarms, Drop(0, 80, 0.5, 0)) == 8
    assert days_to_find(alarms, Drop(0, 190, 0.5, 0)) == np.inf


def test_the_detector_is_the_products_own() -> None:
    assert judge(small(dip=True)).probability[0, -1] > 0.95
    assert judge(small(dip=False)).probability.max() < 0.7


def test_real_counts_are_read_pooled_and_measured(tmp_path: Path) -> None:
    counts = read_counts(people(tmp_path / "counts.csv"))
    assert counts.table.shape[0] == 12
    found = find_drops(counts, Pooling(36.0), [1, 2])
    assert found == find_drops(counts, Pooling(36.0), [1, 2])
    assert [one.alarms_a_year for one in found] == [1, 2, 4]
    assert [one.p_star for one in found] == sorted((one.p_star for one in found), reverse=True)
    for one in found:
        assert one.drops > 0
        assert 0 <= one.found_14 <= one.found_28 <= 1
        assert one.low_28 <= one.found_28 <= one.high_28
    kept = keep_budget(counts, load_profile().drop, 1)
    assert all(k.chosen_rate <= k.budget for k in kept if k.is_calibrated)


def test_who_left_during_the_window_is_pooled_only_with_everybody(tmp_path: Path) -> None:
    counts = read_counts(people(tmp_path / "counts.csv"))
    counts.table[:8, 250:] = 0
    (active, *_), (everybody, *_) = (
        find_drops(counts, Pooling(12.0, only_active=only), [1]) for only in (True, False)
    )
    assert active.drops < everybody.drops
    counts.table[:, 250:] = 0
    assert find_drops(counts, Pooling(12.0), [1]) == []


def test_a_file_without_the_columns_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "wrong.csv"
    path.write_text("a,b\n1,2\n")
    done = CliRunner().invoke(app, ["health", "evaluate-detector", "--data", str(path)])
    assert done.exit_code == 1
    assert "the columns acct, day and n" in done.output


def test_a_document_gets_the_table_between_its_markers(tmp_path: Path) -> None:
    quality = Quality("GPR", 0.7, 0.9, 0.8, 0.9, 0.8, 0.8, np.inf, 1.0, 2.0, 100)
    document = tmp_path / "page.md"
    document.write_text(
        "before\n<!-- evaluation x: begin -->\nold\n<!-- evaluation x: end -->\nafter\n"
    )
    report.replace_section(document, "x", report.generated_section([quality], [1]))
    text = document.read_text()
    assert "| GPR | 0.700 | 0.900 |" in text
    assert "old" not in text
    assert text.startswith("before")
    assert text.endswith("after\n")
    assert report.chart([quality]).count("<rect") == 3
    # Infinity is no JSON.
    (shown,) = json.loads(json.dumps(report.as_json(methods=[quality]), allow_nan=False))["methods"]
    assert shown["median_days"] is None
    with pytest.raises(ValueError, match="has no lines"):
        report.replace_section(document, "y", "")
