"""Plans: milestones, prerequisites, first value, time in stage."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.onboarding.domain.plan import (
    CompletedBy,
    MilestoneNotFound,
    MilestoneState,
    Plan,
    PrerequisitesMissing,
)
from services.onboarding.domain.wording import InvalidText
from tests.builders.onboarding import NOON, milestone, plan

DAY = timedelta(days=1)


def by_hand(before: Plan, key: str, at: datetime = NOON) -> Plan:
    return before.completed_by_hand(key, done_by="Ana", at=at)


def test_due_days_count_from_the_day_it_is_where_the_account_is() -> None:
    opened = plan(at=datetime.fromisoformat("2026-03-02T20:00+00:00"), time_zone="Asia/Tokyo")
    assert opened.milestone("kickoff").due_on == date(2026, 3, 10)
    assert opened.no_upsell_until == date(2026, 6, 1)


def test_a_person_completes_a_milestone_and_is_named() -> None:
    done = by_hand(plan(), "kickoff").milestone("kickoff")
    assert (done.completed_at, done.completed_by, done.done_by) == (NOON, "manual", "Ana")


def test_a_person_cannot_skip_prerequisites_and_is_told_which() -> None:
    with pytest.raises(PrerequisitesMissing) as refused:
        by_hand(plan(), "value")
    assert refused.value.detail == "value needs kickoff to be done first."
    assert refused.value.context["missing"] == ["kickoff"]


def test_saying_done_twice_keeps_the_first_word() -> None:
    once = by_hand(plan(), "kickoff")
    assert by_hand(once, "kickoff", NOON + DAY) is once


def test_usage_completes_what_waits_for_it_though_prerequisites_are_open() -> None:
    after = plan().completed_by_usage("report_exported", at=NOON + DAY)
    value = after.milestone("value")
    assert (value.completed_by, value.done_by) == (CompletedBy.USAGE, None)
    assert after.missing_for(value) == ["kickoff"]
    assert after.completed_at is None


def test_usage_that_nothing_waits_for_changes_nothing() -> None:
    assert plan().completed_by_usage("seat_added", at=NOON) == plan()


def test_usage_completes_every_milestone_that_waits_for_it() -> None:
    steps = (
        milestone("one", usage_milestone="used"),
        milestone("two", usage_milestone="used", is_first_value=True),
    )
    before = plan(*steps)
    after = before.completed_by_usage("used", at=NOON)
    assert [m.key for m in after.done_since(before)] == ["one", "two"]


def test_a_plan_is_complete_when_its_last_milestone_is() -> None:
    after = by_hand(plan().completed_by_usage("report_exported", at=NOON), "kickoff", NOON + DAY)
    assert after.completed_at == NOON + DAY


def test_usage_older_than_the_plan_does_not_complete_it_before_it_was_opened() -> None:
    after = plan(milestone("value", usage_milestone="used", is_first_value=True))
    assert after.completed_by_usage("used", at=NOON - 9 * DAY).completed_at == NOON


def test_an_unknown_milestone_is_not_found() -> None:
    with pytest.raises(MilestoneNotFound):
        by_hand(plan(), "kickof")


def test_who_did_it_is_text_that_can_be_kept() -> None:
    with pytest.raises(InvalidText):
        plan().completed_by_hand("kickoff", done_by="A\0", at=NOON)


def test_a_milestone_is_blocked_then_open_then_done() -> None:
    blocked = plan()
    opened = by_hand(blocked, "kickoff")
    done = by_hand(opened, "value")
    states = [each.state_of(each.milestone("value")) for each in (blocked, opened, done)]
    assert states == [MilestoneState.BLOCKED, MilestoneState.OPEN, MilestoneState.DONE]


def test_time_in_stage_counts_from_the_last_prerequisite_until_done_or_now() -> None:
    opened = by_hand(plan(), "kickoff", NOON + 3 * DAY)
    value = opened.milestone("value")
    assert opened.days_in_stage(value, now=NOON + 5 * DAY, zone=UTC) == 2
    done = by_hand(opened, "value", NOON + 4 * DAY)
    assert done.days_in_stage(done.milestone("value"), now=NOON + 9 * DAY, zone=UTC) == 1


def test_a_milestone_that_cannot_be_begun_has_no_time_in_stage() -> None:
    opened = plan()
    assert opened.days_in_stage(opened.milestone("value"), now=NOON, zone=UTC) is None
    kickoff = opened.milestone("kickoff")
    assert opened.days_in_stage(kickoff, now=NOON + 4 * DAY, zone=UTC) == 4
