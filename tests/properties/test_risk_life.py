"""The whole life of a risk under any order of findings, people and time."""

from collections import Counter
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.health.domain.profile.profile import Severity
from services.health.domain.risk.deciding import decide
from services.health.domain.risk.handling import (
    RiskNotOpen,
    RiskNotSnoozed,
    SnoozeTooLong,
    acknowledge,
    dismiss,
    evidence_moved,
    is_due,
    is_snoozed,
    snooze,
    wake,
)
from services.health.domain.risk.loss import rule_probability
from services.health.domain.risk.risk import (
    Handling,
    Merged,
    Opened,
    Recovered,
    Risk,
    RiskRule,
    Stage,
    Status,
    Taken,
    Unchanged,
    Worsened,
)
from tests.builders.health import NOW, finding

RULE = RiskRule(cool_down=timedelta(days=7))
DAY = timedelta(days=1)
HEAD = "0199a1b2-7a10-7c3e-9d4f-000000000001"


def opened() -> Risk:
    decision = decide(None, finding(), NOW, RULE)
    assert isinstance(decision, Opened)
    return decision.risk


def put_off(until: datetime) -> Handling:
    return Handling(Taken.SNOOZED, "Kim", NOW, "Holiday.", until)


def test_a_finding_that_a_stronger_risk_tells_is_merged_untold() -> None:
    decision = decide(None, finding(), NOW, RULE, HEAD)
    assert isinstance(decision, Merged)
    assert (decision.risk.status, decision.risk.merged_into) == (Status.MERGED, HEAD)
    assert not decision.risk.was_told


def test_an_untold_risk_opens_when_it_stands_alone_and_is_still_present() -> None:
    merged = decide(None, finding(), NOW, RULE, HEAD).risk
    assert isinstance(decide(merged, finding(), NOW + DAY, RULE), Opened)
    lingering = decide(merged, finding(Stage.LINGERING), NOW + DAY, RULE)
    assert isinstance(lingering, Unchanged)
    assert isinstance(decide(lingering.risk, finding(), NOW + 2 * DAY, RULE), Opened)


def test_an_untold_risk_whose_reason_goes_is_never_told() -> None:
    merged = decide(None, finding(), NOW, RULE, HEAD).risk
    gone = decide(merged, finding(Stage.GONE), NOW + DAY, RULE, HEAD)
    assert isinstance(gone, Unchanged)
    assert gone.risk is not None
    assert gone.risk.status is Status.SUSPECTED


def test_a_told_risk_that_was_merged_goes_on_silently_or_recovers_aloud() -> None:
    merged = decide(opened(), finding(), NOW + DAY, RULE, HEAD)
    assert isinstance(merged, Merged)
    assert merged.risk.was_told
    alone = decide(merged.risk, finding(), NOW + 2 * DAY, RULE)
    assert isinstance(alone, Unchanged)
    assert alone.risk is not None
    assert (alone.risk.status, alone.risk.merged_into) == (Status.OPEN, None)
    assert isinstance(decide(merged.risk, finding(Stage.GONE), NOW + DAY, RULE, HEAD), Recovered)


def test_getting_worse_wakes_a_snoozed_risk_and_leaves_an_acknowledged_one_taken() -> None:
    worse = finding(severity=Severity.HIGH)
    asleep = snooze(opened(), put_off(NOW + 5 * DAY), NOW)
    woken = decide(asleep, worse, NOW + DAY, RULE)
    assert isinstance(woken, Worsened)
    assert woken.risk.handling is None
    taken = decide(acknowledge(opened(), "Kim", None, NOW), worse, NOW + DAY, RULE)
    assert isinstance(taken, Worsened)
    assert taken.risk.handling is not None


def test_a_snooze_ends_on_its_day_and_lasts_half_a_year_at_most() -> None:
    asleep = snooze(opened(), put_off(NOW + 5 * DAY), NOW)
    assert not is_due(asleep, NOW + 4 * DAY)
    assert is_due(asleep, NOW + 5 * DAY)
    for until in (NOW, NOW - DAY, NOW + 181 * DAY):
        with pytest.raises(SnoozeTooLong):
            snooze(opened(), put_off(until), NOW)


def test_who_handles_a_merged_risk_is_sent_to_the_one_that_tells_it() -> None:
    merged = decide(opened(), finding(), NOW, RULE, HEAD).risk
    assert merged is not None
    with pytest.raises(RiskNotOpen, match=f"part of {HEAD}"):
        acknowledge(merged, "Kim", None, NOW)


def test_what_was_dismissed_opens_again_only_when_it_is_worse() -> None:
    dismissed = dismiss(opened(), NOW)
    same = decide(dismissed, finding(), NOW + DAY, RULE)
    assert isinstance(same, Unchanged)
    worse = decide(dismissed, finding(severity=Severity.HIGH), NOW + DAY, RULE)
    assert isinstance(worse, Opened)


@pytest.mark.parametrize(
    ("noted", "now", "moved"),
    [(0.4, 0.45, False), (0.4, 0.52, True), (10, 7, True), (0, 0.05, False), (0, 1, True)],
)
def test_the_timeline_notes_a_figure_that_moved_by_a_quarter(
    noted: float, now: float, *, moved: bool
) -> None:
    assert evidence_moved({"ratio": noted}, {"ratio": now, "new": 3, "text": "x"}) is moved


def test_risks_add_up_to_less_than_certainty() -> None:
    assert rule_probability([]) == 0
    assert rule_probability([Severity.HIGH] * 2) == pytest.approx(1 - 0.75**2)
    assert rule_probability([Severity.CRITICAL] * 50) <= 1


class Life(RuleBasedStateMachine):
    """Findings, a stronger risk that comes and goes, people and time, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.risk: Risk | None = None
        self.id = ""
        self.head: str | None = None
        self.lives: dict[str, str] = {}
        self.worst: Counter[str] = Counter()

    def tell(self, letter: str) -> None:
        self.lives[self.id] = self.lives.get(self.id, "") + letter

    @rule(hours=st.integers(1, 24 * 10))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
        if self.risk and self.risk.status is Status.OPEN and is_due(self.risk, self.now):
            self.risk = wake(self.risk)

    @rule(stage=st.sampled_from(Stage), severity=st.sampled_from(Severity))
    def something_is_found(self, stage: Stage, severity: Severity) -> None:
        before = self.risk
        found = finding(stage, severity)
        decision = decide(before, found, self.now, RULE, self.head)
        if decision.risk is None:
            return
        over = {Status.RECOVERED, Status.DISMISSED}
        is_new = before is None or (before.status in over and decision.risk.status not in over)
        if is_new:
            self.id = str(uuid4())
        self.risk = decision.risk
        if isinstance(decision, Worsened):
            # A worsening is told once for each severity.
            assert severity > self.worst[self.id]
        for kind, letter in ((Opened, "o"), (Worsened, "w"), (Recovered, "r")):
            if isinstance(decision, kind):
                self.tell(letter)
        if isinstance(decision, Opened | Worsened):
            self.worst[self.id] = max(self.worst[self.id], severity)
        if isinstance(decision, Merged) and before is not None and before.status is Status.OPEN:
            assert decision.risk.was_told

    @rule(is_there=st.booleans())
    def a_stronger_risk_comes_or_goes(self, *, is_there: bool) -> None:
        self.head = HEAD if is_there else None

    @precondition(lambda self: self.risk is not None)
    @rule(verb=st.sampled_from(["acknowledge", "snooze", "wake", "dismiss"]))
    def a_person_acts(self, verb: str) -> None:
        risk = self.risk
        assert risk is not None
        try:
            if verb == "acknowledge":
                after = acknowledge(risk, "Kim", None, self.now)
            elif verb == "snooze":
                after = snooze(risk, put_off(self.now + DAY), self.now)
            elif verb == "wake":
                after = wake(risk)
            else:
                after = dismiss(risk, self.now)
        except RiskNotOpen:
            assert risk.status is not Status.OPEN
            return
        except RiskNotSnoozed:
            assert not is_snoozed(risk)
            return
        assert risk.status is Status.OPEN
        assert after.version == risk.version + 1
        self.risk = after
        if verb == "dismiss":
            self.tell("d")

    @invariant()
    def a_life_reads_opened_perhaps_worse_and_over_at_most_once(self) -> None:
        for life in self.lives.values():
            assert life.replace("w", "") in {"o", "or", "od"}, life
            assert not life.startswith("w")
            assert "w" not in life.partition("r")[2] + life.partition("d")[2]

    @invariant()
    def what_people_know_is_what_is_kept(self) -> None:
        risk = self.risk
        life = self.lives.get(self.id, "").replace("w", "")
        if risk is None:
            assert life == ""
        elif risk.status is Status.OPEN:
            assert life == "o"
        elif risk.status is Status.SUSPECTED:
            assert life in {"", "or", "od"}
        elif risk.status is Status.MERGED:
            assert life == ("o" if risk.was_told else "")
            assert risk.merged_into == HEAD
            assert risk.handling is None
        else:
            assert life in {"or", "od"}

    @invariant()
    def only_open_risks_are_in_somebodys_hands(self) -> None:
        if self.risk is not None and self.risk.handling is not None:
            assert self.risk.status is Status.OPEN


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
