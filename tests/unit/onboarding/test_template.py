"""Templates: versioned data, read with clear errors."""

from datetime import date
from typing import Any

import pytest

from services.onboarding.domain.template import (
    BrokenTemplate,
    NoDefaultTemplate,
    Templates,
    template_of,
)
from services.onboarding.gateways import read_templates
from services.onboarding.settings import TemplateSettings
from tests.builders.onboarding import milestone_document, template, template_document, templates

STEP = milestone_document


def mistakes_in(document: Any) -> str:
    with pytest.raises(BrokenTemplate) as refused:
        template_of("default", document)
    return refused.value.detail


def test_the_packaged_template_can_be_used() -> None:
    packaged = read_templates(TemplateSettings().onboarding_templates).for_segment("mid")
    assert packaged.id == "default@1"
    assert [m.key for m in packaged.milestones if m.is_first_value] == ["first_value"]


def test_a_segment_has_its_own_template_or_the_default_one() -> None:
    own = template(landing_days=10)
    both = templates(enterprise=own)
    assert both.for_segment("enterprise") is own
    assert both.for_segment("mid") is both.by_segment["default"]


def test_there_is_no_doing_without_a_default() -> None:
    with pytest.raises(NoDefaultTemplate):
        Templates({"enterprise": template()})


def test_a_milestone_completes_by_hand_or_by_usage() -> None:
    by_usage = STEP("value", value=True, completes={"usage_milestone": "report_exported"})
    read = template_of("default", template_document(milestones=[STEP("kickoff"), by_usage]))
    assert [m.usage_milestone for m in read.milestones] == [None, "report_exported"]


@pytest.mark.parametrize("document", [None, [], "text", 7])
def test_a_file_that_holds_no_fields_is_told_which_to_have(document: Any) -> None:
    assert "expected the fields landing_days, milestones, version" in mistakes_in(document)


@pytest.mark.parametrize(
    ("changed", "mistake"),
    [
        ({"version": 0}, "default.version: expected a whole number from 1"),
        ({"version": True}, "default.version: expected a whole number"),
        ({"landing_days": "90"}, "default.landing_days: expected a whole number from 0"),
        ({"milestones": []}, "default.milestones: list at least one milestone"),
        ({"milestone": []}, "default: unknown field 'milestone'"),
    ],
)
def test_a_mistake_is_named_with_its_place(changed: dict[str, Any], mistake: str) -> None:
    assert mistake in mistakes_in(template_document(**changed))


@pytest.mark.parametrize(
    ("changed", "mistake"),
    [
        ({"title": " "}, "default.milestones[0].title: expected a text"),
        ({"key": "Kick/off"}, "milestones[0].key: expected 1 to 64 lower-case letters"),
        ({"owner_role": "boss"}, "milestones[0].owner_role: expected one of csm, ae"),
        ({"owner_role": ["csm"]}, "milestones[0].owner_role: expected one of csm, ae"),
        ({"due_days": -1}, "milestones[0].due_days: expected a whole number"),
        ({"requires": "value"}, "milestones[0].requires: expected a list of milestone keys"),
        ({"completes": "by_magic"}, "milestones[0].completes: expected by_hand, or"),
        ({"completes": {"usage_milestone": 7}}, "completes.usage_milestone: expected a text"),
        ({"first_value": "no"}, "milestones[0].first_value: expected true or false"),
        ({"requires": ["valu"]}, "kickoff requires 'valu', which is not a milestone here"),
        ({"requires": ["value"]}, "these milestones wait for each other: kickoff, value"),
        ({"key": "value"}, "the key 'value' is used twice"),
        ({"first_value": True}, "mark exactly one milestone with first_value: true"),
    ],
)
def test_a_mistake_in_a_milestone_is_named_with_its_place(
    changed: dict[str, Any], mistake: str
) -> None:
    steps = [{**STEP("kickoff"), **changed}, STEP("value", value=True, requires=["kickoff"])]
    assert mistake in mistakes_in(template_document(milestones=steps))


def test_all_mistakes_are_named_at_once() -> None:
    assert mistakes_in({"version": 0, "landing_days": -1, "milestones": []}).count(";") == 2


def test_a_customer_is_landing_until_the_landing_days_are_over() -> None:
    started = date(2026, 3, 1)
    ninety = template(landing_days=90)
    assert ninety.is_landing(started, today=date(2026, 5, 30))
    assert not ninety.is_landing(started, today=date(2026, 5, 31))
    assert ninety.is_landing(date.max, today=started)
