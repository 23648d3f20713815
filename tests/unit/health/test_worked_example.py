"""The page on the score is computed again from what it says itself."""

import re
from pathlib import Path

import pytest
import yaml

from services.health.domain.profile.parsing import parse_profile
from services.health.domain.score.loss_model import Calibration, LossModel
from services.health.domain.score.score import (
    Context,
    Evidence,
    Observation,
    Score,
    Signal,
    band_after,
    score_account,
)
from services.health.usecases.profile.documents import read_document
from tests.builders.health import NOW, days_ago

PAGE = (Path(__file__).parents[3] / "docs/health-score.md").read_text(encoding="utf-8")
PROFILE = parse_profile(yaml.safe_load(re.findall(r"```yaml\n(name.*?)```", PAGE, re.DOTALL)[0]))
KNOWN = Evidence(
    {
        "usage_ratio": Observation(0.6, days_ago(7)),
        "days_since_activity": Observation(3, days_ago(7)),
    },
    (Signal("payment_failed", days_ago(60)),),
)


def told(row: str, *, after: str = "") -> float:
    """The last number of a row of a table."""
    section = PAGE[PAGE.index(after) :]
    line = next(
        line for line in section.splitlines() if line.startswith((f"| {row}", f"| **{row}"))
    )
    return float(line.strip("| ").split("|")[-1].strip(" *"))


def check(score: Score, after: str) -> None:
    for line in score.lines:
        if line.points:
            assert told(line.metric, after=after) == pytest.approx(line.points, abs=0.006)


def test_the_table_by_hand() -> None:
    score = score_account(PROFILE, KNOWN, NOW)
    check(score, "### By hand")
    assert told("score", after="### By hand") == pytest.approx(score.value, abs=0.006)
    assert f"{score.coverage:.4f}" in PAGE
    assert f"`{band_after(None, score.value, score.coverage, PROFILE).value}`" in PAGE


def test_the_table_of_the_model() -> None:
    betas = {"usage.usage_ratio": 4.0, "usage.days_since_activity": 1.0, "commercial.payments": 2.0}
    model = LossModel(
        3, "example", 1, 180, {"": -1.0}, -0.05, betas, Calibration(), 412, 61, days_ago(1)
    )
    score = score_account(PROFILE, KNOWN, NOW, Context("", 4.0, {}, model))
    check(score, "The account above, by a model")
    assert told("base", after="The account above") == pytest.approx(score.base, abs=0.006)
    assert told("sum", after="The account above") == pytest.approx(score.value, abs=0.006)
    assert f"{score.p_loss:.4f}" in PAGE


def test_the_profile_of_the_simulated_social_network_is_one_that_a_back_test_takes() -> None:
    file = Path(__file__).parents[3] / "docs/examples/socialnet/profile.yml"
    assert read_document(file.read_text(encoding="utf-8")).profile.name == "socialnet"
