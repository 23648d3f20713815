from decimal import Decimal

import pytest

from services.renewals.domain.wording import explain_fall
from tests.builders.renewals import a_risk, an_assessment


@pytest.mark.parametrize(
    ("segment", "probability"),
    [("enterprise", 0.9), ("mid", 0.85), ("smb", 0.8), ("own", 0.85), (None, 0.85)],
)
def test_without_risks_the_segment_decides(segment: str | None, probability: float) -> None:
    assessment = an_assessment(segment)

    assert assessment.probability == probability
    assert [reason.origin for reason in assessment.reasons] == ["default"]


def test_a_high_risk_multiplies_the_odds_by_four_tenths() -> None:
    odds = 0.85 / 0.15 * 0.4

    assessment = an_assessment("mid").with_risk(a_risk(severity="high"))

    assert assessment.probability == pytest.approx(odds / (1 + odds), abs=0.0005)


def test_a_worse_risk_replaces_itself_and_keeps_its_place() -> None:
    assessment = an_assessment().with_risk(a_risk("first")).with_risk(a_risk("second"))

    worse = assessment.with_risk(a_risk("first", "critical"))

    assert [each.risk_id for each in worse.risks] == ["first", "second"]
    assert worse.probability < assessment.probability


def test_recovery_restores_the_probability_exactly() -> None:
    before = an_assessment().with_risk(a_risk("stays"))

    after = before.with_risk(a_risk("goes", "critical")).without_risk("goes")

    assert after == before


def test_a_risk_is_counted_only_as_severe_as_it_is() -> None:
    assessment = an_assessment().with_risk(a_risk(severity="high"))

    assert assessment.counts(a_risk(severity="high"))
    assert not assessment.counts(a_risk(severity="critical"))
    assert assessment.names("risk-1")


def test_another_segment_keeps_the_risks() -> None:
    assessment = an_assessment(None).with_risk(a_risk())

    assert assessment.for_segment("smb").risks == assessment.risks
    assert assessment.for_segment("smb").reasons[0].effect_points == Decimal("80.0")


def test_every_assessment_names_its_rules() -> None:
    assert an_assessment().rules == "default@1"


def test_people_read_what_changed_why_and_what_to_do() -> None:
    before = an_assessment("mid")

    text = explain_fall(before, before.with_risk(a_risk()), a_risk())

    assert text == (
        "The probability of renewal went from 85.0 % to 69.4 %. "
        "Usage is at 52 % of what is normal. Next: Call the champion."
    )
