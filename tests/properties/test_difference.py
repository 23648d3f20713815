"""Differences add up exactly, also across profiles and from expert weights to a model."""

import math
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Profile
from services.health.domain.score.difference import (
    Cause,
    Difference,
    difference,
    evidence_of,
    judged_by,
)
from services.health.domain.score.loss_model import Calibration, LossModel
from services.health.domain.score.score import Context, Evidence, Score, Signal, score_account
from tests.builders.any_evidence import any_evidence
from tests.builders.health import NOW, days_ago, default_document, default_profile, evidence

PROFILE = default_profile()


def other_profile() -> Profile:
    document = default_document()
    document["version"] = PROFILE.version + 1
    document["dimensions"]["usage"]["weight"] = 20
    del document["dimensions"]["relationship"]["inputs"]["executive_contact"]
    return parse_profile(document)


OTHER = other_profile()


def model(version: int = 3, profile: Profile = PROFILE) -> LossModel:
    names = [f"{d.name}.{one.name}" for d in profile.dimensions for one in d.inputs]
    return LossModel(
        version=version,
        profile_name=profile.name,
        profile_version=profile.version,
        horizon_days=180,
        intercepts={"": -1.0, "mid": -2.0},
        month_slope=-0.05,
        betas={name: 0.4 * position for position, name in enumerate(names)},
        calibration=Calibration(0.9, 0.1),
        trained_on=412,
        losses=61,
        trained_at=days_ago(3),
    )


def judged(
    known: Evidence, *, by: Profile = PROFILE, model: LossModel | None = None, months: float = 5
) -> Score:
    return score_account(by, known, NOW, Context("mid", months, {}, model))


def total(found: Difference) -> float:
    return math.fsum(change.points for change in found.changes)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(any_evidence, any_evidence, st.floats(0, 12), st.floats(0, 12))
def test_every_kind_of_difference_adds_up(
    before: Evidence, after: Evidence, months: float, later: float
) -> None:
    old = [judged(before), judged(before, model=model(), months=months)]
    new = [
        judged(after),
        judged(after, by=OTHER),
        judged(after, model=model(), months=later),
        judged(after, model=model(4), months=later),
    ]
    bridges = [
        judged(before),
        judged(before, by=OTHER),
        judged(before, model=model(), months=months),
        judged(before, model=model(4), months=months),
    ]
    for earlier in old:
        for now, bridge in zip(new, bridges, strict=True):
            for given_bridge in (bridge, None):
                found = difference(earlier, now, given_bridge)
                assert total(found) == pytest.approx(now.value - earlier.value, abs=1e-9)
                assert found.points == pytest.approx(now.value - earlier.value, abs=1e-9)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(any_evidence, st.floats(0, 12))
def test_the_lines_of_a_model_add_up_to_the_score(known: Evidence, months: float) -> None:
    score = judged(known, model=model(), months=months)
    assert score.base + math.fsum(line.points for line in score.lines) == pytest.approx(
        score.value, abs=1e-9
    )
    assert score.p_loss == pytest.approx(1 - score.value / 100)
    assert all(line.max_points >= line.points for line in score.lines)


def test_expert_weights_claim_no_probability() -> None:
    assert judged(evidence(usage_ratio=1.0)).p_loss is None


def test_a_model_of_another_profile_does_not_speak() -> None:
    assert judged(evidence(usage_ratio=1.0), model=model(profile=OTHER)).model is None


def test_a_change_of_profile_is_a_change_of_its_own() -> None:
    known = evidence(usage_ratio=0.2, days_since_activity=10)
    before, after = judged(known), judged(known, by=OTHER)
    found = difference(before, after, judged(known, by=OTHER))
    (only,) = found.changes
    assert (only.cause, only.metric) == (Cause.PROFILE, f"{PROFILE.label} -> {OTHER.label}")
    assert only.points == pytest.approx(after.value - before.value)
    assert found.is_apart


def test_without_the_later_profile_at_hand_the_change_is_said_not_to_be_apart() -> None:
    known = evidence(usage_ratio=0.2)
    found = difference(judged(known), judged(known, by=OTHER), None)
    assert not found.is_apart
    assert total(found) == pytest.approx(found.points)


def test_from_expert_weights_to_a_model_is_a_change_of_its_own() -> None:
    known = evidence(usage_ratio=0.2)
    after = judged(known, model=model())
    found = difference(judged(known), after, after)
    assert [c.cause for c in found.changes] == [Cause.MODEL]
    assert judged_by(after) == f"{PROFILE.label} with model v3"


def test_by_a_model_only_what_moved_is_named_and_the_nearer_renewal_is() -> None:
    before = judged(evidence(usage_ratio=0.9, days_since_activity=1), model=model(), months=6)
    after = judged(evidence(usage_ratio=0.3, days_since_activity=1), model=model(), months=3)
    found = difference(before, after)
    assert {(c.cause, c.metric) for c in found.changes} <= {
        (Cause.INPUT, "usage_ratio"),
        (Cause.RENEWAL, "starting point of the model"),
    }
    assert total(found) == pytest.approx(after.value - before.value, abs=1e-9)


def test_the_evidence_of_a_score_can_be_read_off_its_lines() -> None:
    answers = (Signal("champion_left", days_ago(20)), Signal("nps_answered", days_ago(3), 9.0))
    known = evidence(*answers, usage_ratio=0.8)
    score = judged(known)
    again = score_account(PROFILE, evidence_of(score, NOW), NOW, Context("mid", 5))
    assert again.value == pytest.approx(score.value, abs=1e-9)
    later = score_account(PROFILE, evidence_of(score, NOW), NOW + timedelta(days=9), Context("mid"))
    assert later.value == pytest.approx(
        score_account(PROFILE, known, NOW + timedelta(days=9), Context("mid")).value, abs=1e-9
    )
