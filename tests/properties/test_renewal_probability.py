"""The probability of a renewal, under any risks."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.builders.renewals import a_risk, an_assessment

SEVERITIES = ["low", "medium", "high", "critical", "never heard of"]


@given(st.sampled_from(["enterprise", "mid", "smb", None]), st.lists(st.sampled_from(SEVERITIES)))
def test_the_points_of_all_reasons_add_up_to_the_probability(
    segment: str | None, severities: list[str]
) -> None:
    assessment = an_assessment(segment)
    for number, severity in enumerate(severities):
        assessment = assessment.with_risk(a_risk(f"risk-{number}", severity))

    shown = [Decimal(str(float(reason.effect_points))) for reason in assessment.reasons]

    assert sum(shown) == Decimal(str(assessment.probability)) * 100
    assert all(effect <= 0 for effect in shown[1:])
    assert 0 <= assessment.probability <= 1
