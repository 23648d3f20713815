from dataclasses import replace
from datetime import timedelta

import pytest

from services.health.domain.profile.profile import Severity
from services.health.domain.risk.deciding import decide
from services.health.domain.risk.risk import (
    Opened,
    Recovered,
    Risk,
    RiskRule,
    Stage,
    Status,
    Unchanged,
    Worsened,
)
from tests.builders.health import NOW, finding

RULE = RiskRule(cool_down=timedelta(days=7))
TWICE = RiskRule(timedelta(days=7), confirmations=2, window=timedelta(days=1))
DAY = timedelta(days=1)


def open_risk() -> Risk:
    decision = decide(None, finding(), NOW, RULE)
    assert isinstance(decision, Opened)
    return decision.risk


def recovered_risk() -> Risk:
    decision = decide(open_risk(), finding(Stage.GONE), NOW + DAY, RULE)
    assert isinstance(decision, Recovered)
    return decision.risk


def test_a_fact_opens_a_risk_at_first_sight() -> None:
    risk = open_risk()
    assert (risk.status, risk.opened_at, risk.severity) == (Status.OPEN, NOW, Severity.MEDIUM)


@pytest.mark.parametrize("stage", [Stage.LINGERING, Stage.GONE])
def test_nothing_opens_without_its_entry_condition(stage: Stage) -> None:
    assert decide(None, finding(stage), NOW, RULE) == Unchanged(None)


def test_a_finding_that_needs_confirmation_opens_in_a_later_window_only() -> None:
    first = decide(None, finding(), NOW, TWICE)
    assert isinstance(first, Unchanged)
    assert first.risk is not None
    assert first.risk.status is Status.SUSPECTED
    same_window = decide(first.risk, finding(), NOW + DAY / 2, TWICE)
    assert isinstance(same_window, Unchanged)
    assert isinstance(decide(same_window.risk, finding(), NOW + DAY, TWICE), Opened)


def test_a_suspicion_that_goes_away_starts_counting_again() -> None:
    first = decide(None, finding(), NOW, TWICE)
    gone = decide(first.risk, finding(Stage.GONE), NOW + DAY, TWICE)
    again = decide(gone.risk, finding(), NOW + 2 * DAY, TWICE)
    assert isinstance(again, Unchanged)
    assert isinstance(decide(again.risk, finding(), NOW + 3 * DAY, TWICE), Opened)


def test_an_open_risk_seen_again_only_takes_the_fresh_evidence() -> None:
    fresh = replace(finding(), evidence={"ratio": 0.4})
    decision = decide(open_risk(), fresh, NOW + DAY, RULE)
    assert isinstance(decision, Unchanged)
    assert decision.risk is not None
    assert decision.risk.evidence == {"ratio": 0.4}
    assert decision.risk.last_seen_at == NOW + DAY
    assert decision.risk.opened_at == NOW


def test_a_risk_worsens_once_and_a_wavering_figure_does_not_repeat_it() -> None:
    worse = decide(open_risk(), finding(severity=Severity.HIGH), NOW + DAY, RULE)
    assert isinstance(worse, Worsened)
    assert worse.severity_before is Severity.MEDIUM
    milder = decide(worse.risk, finding(severity=Severity.MEDIUM), NOW + 2 * DAY, RULE)
    again = decide(milder.risk, finding(severity=Severity.HIGH), NOW + 3 * DAY, RULE)
    assert isinstance(again, Unchanged)


def test_between_entry_and_exit_an_open_risk_stays_open() -> None:
    decision = decide(open_risk(), finding(Stage.LINGERING), NOW + DAY, RULE)
    assert isinstance(decision, Unchanged)
    assert decision.risk is not None
    assert decision.risk.status is Status.OPEN


def test_a_recovered_risk_stays_closed_within_its_cool_down_and_opens_after_it() -> None:
    risk = recovered_risk()
    assert isinstance(decide(risk, finding(), NOW + 5 * DAY, RULE), Unchanged)
    reopened = decide(risk, finding(), NOW + 8 * DAY, RULE)
    assert isinstance(reopened, Opened)
    assert reopened.risk.opened_at == NOW + 8 * DAY
    assert reopened.risk.recovered_at is None


def test_something_worse_opens_even_within_the_cool_down() -> None:
    worse = finding(severity=Severity.CRITICAL)
    assert isinstance(decide(recovered_risk(), worse, NOW + 2 * DAY, RULE), Opened)


@pytest.mark.parametrize(("observed", "opens"), [(0.5, False), (1.5, True)])
def test_a_fact_that_came_after_the_end_opens_within_the_cool_down_and_an_older_one_waits(
    observed: float, *, opens: bool
) -> None:
    over = replace(finding(Stage.GONE), since=NOW + DAY)
    # What ended it was told three days late: the fact is judged by when it was observed.
    ended = decide(open_risk(), over, NOW + 4 * DAY, RULE)
    assert ended.risk is not None
    fact = replace(finding(), since=NOW + observed * DAY)
    assert isinstance(decide(ended.risk, fact, NOW + 5 * DAY, RULE), Opened) is opens


def test_a_finding_about_another_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot decide"):
        decide(open_risk(), finding(reason="silence"), NOW, RULE)
