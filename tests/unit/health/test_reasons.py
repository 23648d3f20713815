from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from services.health.domain.detector.peers import PeerLevel
from services.health.domain.profile.profile import Severity, SignalRule
from services.health.domain.risk.deciding import decide
from services.health.domain.risk.drops import (
    ActiveDaysReading,
    DropReading,
    active_days_drop,
    can_monitor,
    lingering,
    suspended,
    told_with,
    usage_drop,
)
from services.health.domain.risk.reasons import (
    DipReading,
    Retraction,
    SilenceReading,
    after_retraction,
    low_score,
    low_score_risk_rule,
    signal_risk,
    signal_risk_rule,
    silence,
    usage_dip,
)
from services.health.domain.risk.risk import Decision, Finding, Opened, Recovered, Stage
from services.health.domain.score.score import Band, Signal, score_account
from services.health.usecases.risk.risks import title_of
from tests.builders.health import NOW, days_ago, default_profile, evidence

PROFILE = default_profile()


def reading(
    ratio: float = 0.52,
    probability: float = 0.91,
    *,
    alarm: bool = True,
    ready: bool = True,
    level: float = 10,
) -> DropReading:
    return DropReading(ratio, probability, alarm, ready, level, PeerLevel(0.97, 12))


def rule_for(reason: str) -> SignalRule:
    return next(rule for rule in PROFILE.signal_rules if rule.reason == reason)


def test_a_usage_drop_is_told_in_words_for_people() -> None:
    found = usage_drop("acme", reading(), PROFILE.drop)
    assert found.explanation == (
        "Usage at 52 % of what is normal for this account on these weekdays; similar customers "
        "are at 97 %; 91 % sure it is down by more than 30 %."
    )
    assert found.suggestion
    assert (found.stage, found.severity) == (Stage.PRESENT, Severity.MEDIUM)


def test_without_comparable_customers_none_are_named() -> None:
    told = usage_drop("acme", replace(reading(), peers=PeerLevel(None, 4)), PROFILE.drop)
    assert "; no comparable customers yet; " in told.explanation
    assert "peer_factor" not in told.evidence
    assert told.evidence["comparable_customers"] == 4


def test_a_segment_that_is_down_as_a_whole_is_mentioned() -> None:
    told = usage_drop("acme", replace(reading(), peers=PeerLevel(0.71, 9, True)), PROFILE.drop)
    assert "similar customers are at 71 %, the whole segment is down;" in told.explanation


def test_a_fall_of_all_usage_tells_that_most_people_stopped_and_is_as_severe_as_that() -> None:
    usage = usage_drop("acme", reading(), PROFILE.drop)
    people = replace(reading(0.21), metric="active_users")
    quiet = replace(reading(0.95, 0.1, alarm=False), metric="reports_sent")
    others = [usage_drop("acme", one, PROFILE.drop) for one in (people, quiet)]
    together = told_with(usage, others)
    assert (usage.severity, together.severity) == (Severity.MEDIUM, Severity.CRITICAL)
    assert together.explanation == f"{usage.explanation} Active users at 21 %."


def test_a_watched_metric_has_a_reason_and_words_of_its_own() -> None:
    told = usage_drop("acme", replace(reading(), metric="reports_sent"), PROFILE.drop)
    assert told.reason == "reports_sent_drop"
    assert told.explanation.startswith("Reports sent at 52 % of what is normal")
    assert title_of(told.reason, PROFILE) == "Reports sent has dropped"


@pytest.mark.parametrize(
    ("active", "before", "chance", "is_monitored", "stage"),
    [
        (2, 10, 0.019, False, Stage.PRESENT),
        (2, 10, 0.03, False, Stage.LINGERING),
        (6, 10, 0.01, False, Stage.LINGERING),
        (8, 10, 0.4, False, Stage.GONE),
        (2, 10, 0.019, True, Stage.GONE),
        (0, 0, 1.0, False, Stage.LINGERING),
    ],
)
def test_fewer_active_days_are_told_when_chance_does_not_explain_them(
    active: int, before: int, chance: float, *, is_monitored: bool, stage: Stage
) -> None:
    seen = ActiveDaysReading(active, before, chance, is_monitored)
    assert active_days_drop("acme", seen).stage is stage


def test_a_drop_that_is_over_says_where_usage_is_and_not_how_sure_it_is_down() -> None:
    over = usage_drop("acme", reading(1.0, 0.41, alarm=False), PROFILE.drop)
    assert over.explanation == (
        "Usage back at 100 % of what is normal for this account on these weekdays."
    )


def test_what_lingers_opens_nothing_and_what_is_suspended_is_over() -> None:
    present = usage_drop("acme", reading(), PROFILE.drop)
    assert lingering(present).stage is Stage.LINGERING
    assert suspended(present).stage is Stage.GONE


@pytest.mark.parametrize(
    ("seen", "stage"),
    [
        (reading(alarm=False), Stage.LINGERING),
        (reading(0.84, 0.3, alarm=False), Stage.LINGERING),
        (reading(0.9, 0.6, alarm=False), Stage.LINGERING),
        (reading(0.9, 0.3, alarm=False), Stage.GONE),
        (reading(level=1.2), Stage.LINGERING),
        (reading(1.0, 0.3, alarm=False, ready=False), Stage.LINGERING),
    ],
)
def test_a_usage_drop_ends_only_when_ratio_and_probability_say_so(
    seen: DropReading, stage: Stage
) -> None:
    assert usage_drop("acme", seen, PROFILE.drop).stage is stage


def test_under_ten_events_a_week_there_is_too_little_usage_to_monitor() -> None:
    assert not can_monitor(reading(level=1.2), PROFILE.drop)
    assert can_monitor(reading(level=1.5), PROFILE.drop)


@pytest.mark.parametrize(
    ("ratio", "severity"),
    [(0.1, Severity.CRITICAL), (0.4, Severity.HIGH), (0.6, Severity.MEDIUM), (0.75, Severity.LOW)],
)
def test_a_deeper_drop_is_more_severe(ratio: float, severity: Severity) -> None:
    assert usage_drop("acme", reading(ratio), PROFILE.drop).severity is severity


@pytest.mark.parametrize(
    ("days", "active", "working", "stage"),
    [
        (13, 18, 20, Stage.GONE),
        (14, 18, 20, Stage.PRESENT),
        (14, 12, 20, Stage.PRESENT),
        (14, 11, 20, Stage.LINGERING),
        (14, 10, 10, Stage.LINGERING),
        (0, 18, 20, Stage.GONE),
    ],
)
def test_silence_is_a_risk_only_for_who_used_to_come(
    days: int, active: int, working: int, stage: Stage
) -> None:
    found = silence("acme", SilenceReading(days, active, working), PROFILE.silence)
    assert found.stage is stage


def test_twice_the_silence_is_critical() -> None:
    found = silence("acme", SilenceReading(28, 18, 20), PROFILE.silence)
    assert found.severity is Severity.CRITICAL
    assert found.explanation.startswith("28 days' silence")


def test_what_is_over_is_told_as_over() -> None:
    back = silence("acme", SilenceReading(0, 19, 30), PROFILE.silence)
    assert back.explanation == "Active again; active on 19 of 30 working days up to then."
    one = silence("acme", SilenceReading(1, 19, 30), PROFILE.silence)
    assert one.explanation.startswith("1 day's silence;")


def test_a_drop_is_never_told_as_certain() -> None:
    found = usage_drop("acme", reading(probability=0.99936), PROFILE.drop)
    assert found.explanation.endswith("; over 99 % sure it is down by more than 30 %.")


def dip(last: float, before: float, ratio: float | None = None) -> Finding:
    return usage_dip("acme", DipReading(last, before, ratio), PROFILE.dip, PROFILE.drop.exit_ratio)


def test_a_dip_after_nothing_has_no_percentage_and_counts_have_all_their_digits() -> None:
    found = dip(46, 0)
    assert found.explanation == "46 events in the last 7 days after 0 in the 7 before."
    many = dip(1_234_567, 2_000_000).explanation
    assert many == "1234567 events in the last 7 days after 2000000 in the 7 before (-38 %)."


@pytest.mark.parametrize(
    ("last", "before", "stage"),
    [
        (800, 1000, Stage.PRESENT),
        (801, 1000, Stage.LINGERING),
        (960, 1000, Stage.GONE),
        (65, 100, Stage.LINGERING),
        (60, 100, Stage.PRESENT),
        (1, 19, Stage.LINGERING),
        (5, 0, Stage.GONE),
        (0, 0, Stage.LINGERING),
    ],
)
def test_a_week_a_fifth_below_the_one_before_is_worth_watching(
    last: float, before: float, stage: Stage
) -> None:
    found = dip(last, before)
    assert found.stage is stage
    assert found.severity is Severity.LOW


@pytest.mark.parametrize(
    ("last", "peers", "stage"),
    [
        (45, PeerLevel(0.45, 12), Stage.LINGERING),
        (20, PeerLevel(0.45, 12), Stage.PRESENT),
        (20, PeerLevel(0.45, 12, is_alarming=True), Stage.LINGERING),
        (45, PeerLevel(None, 3), Stage.PRESENT),
    ],
)
def test_whoever_fell_as_far_as_its_peers_has_no_dip_of_its_own(
    last: float, peers: PeerLevel, stage: Stage
) -> None:
    read = DipReading(last, 100, peers=peers)
    assert usage_dip("acme", read, PROFILE.dip, PROFILE.drop.exit_ratio).stage is stage


@pytest.mark.parametrize(
    ("last", "ratio", "stage"),
    [
        (102, 0.63, Stage.LINGERING),
        (102, 0.85, Stage.LINGERING),
        (102, 0.86, Stage.GONE),
        (60, 0.95, Stage.PRESENT),
    ],
)
def test_a_dip_is_over_only_when_usage_is_back_at_its_own_normal(
    last: float, ratio: float, stage: Stage
) -> None:
    assert dip(last, 98, ratio).stage is stage


def test_a_dip_that_goes_on_says_how_far_usage_is_from_normal() -> None:
    assert dip(102, 98, 0.63).explanation == (
        "102 events in the last 7 days after 98 in the 7 before (+4 %); usage is at 63 % of its "
        "own normal."
    )
    assert dip(60, 98, 0.95).explanation.endswith("in the 7 before (-39 %).")


def test_one_look_at_the_cancellation_page_is_nothing_and_two_in_a_week_are_a_risk() -> None:
    rule = rule_for("cancellation_intent")
    visits = [Signal("cancellation_page_visited", days_ago(day)) for day in (1, 3)]
    assert signal_risk("acme", visits[:1], rule, NOW, UTC).stage is Stage.LINGERING
    found = signal_risk("acme", visits, rule, NOW, UTC)
    assert found.stage is Stage.PRESENT
    assert found.explanation == "Somebody looks at how to cancel (2 times in 7 days)."
    # A look at the bills counts too, and is not said to be one at the way out.
    mixed = [visits[0], Signal("billing_page_visited", days_ago(2))]
    assert signal_risk("acme", mixed, rule, NOW, UTC).explanation == (
        "Somebody looks at how to cancel (2 times in 7 days: billing page visited 1 time, "
        "cancellation page visited 1 time)."
    )


def test_a_new_champion_closes_the_risk_of_the_one_who_left() -> None:
    rule = rule_for("champion_left")
    left, named = Signal("champion_left", days_ago(5)), Signal("champion_named", days_ago(1))
    opened = decide(None, signal_risk("acme", [left], rule, NOW, UTC), NOW, signal_risk_rule(rule))
    assert isinstance(opened, Opened)
    over = signal_risk("acme", [left, named], rule, NOW, UTC)
    assert over.explanation == "Our champion has left (champion named on 2026-03-01)."
    assert isinstance(decide(opened.risk, over, NOW, signal_risk_rule(rule)), Recovered)


def test_a_payment_that_fails_again_after_recovery_counts_again() -> None:
    rule = rule_for("payment_failed")
    story = [
        Signal("payment_failed", days_ago(9)),
        Signal("payment_recovered", days_ago(6)),
        Signal("payment_failed", days_ago(2)),
    ]
    assert signal_risk("acme", story[:2], rule, NOW, UTC).stage is Stage.GONE
    assert signal_risk("acme", story, rule, NOW, UTC).stage is Stage.PRESENT


def lived(story: Sequence[Signal], rule: SignalRule) -> list[Decision]:
    """Return what each signal meant on its day."""
    decisions: list[Decision] = []
    for number, signal in enumerate(story, start=1):
        before = decisions[-1].risk if decisions else None
        found = signal_risk("acme", story[:number], rule, signal.at, UTC)
        decisions.append(decide(before, found, signal.at, signal_risk_rule(rule)))
    return decisions


def without(mistake: Retraction, story: Sequence[Signal], rule: SignalRule) -> Decision:
    """Return what it means that a signal of a story is taken back."""
    kept = [signal for signal in story if signal.type != mistake.signal_type]
    found = signal_risk("acme", kept, rule, mistake.at, UTC)
    found, risk_rule = after_retraction(found, rule, mistake)
    return decide(lived(story, rule)[-1].risk, found, mistake.at, risk_rule)


def test_a_champion_who_leaves_soon_after_the_last_one_is_told_at_once() -> None:
    story = [
        Signal("champion_left", days_ago(9)),
        Signal("champion_named", days_ago(8)),
        Signal("champion_left", days_ago(1)),
    ]
    decisions = [type(decision) for decision in lived(story, rule_for("champion_left"))]
    assert decisions == [Opened, Recovered, Opened]


def test_looks_at_the_cancellation_page_count_only_after_the_end_to_open_again_at_once() -> None:
    rule = rule_for("cancellation_intent")
    visits = [Signal("cancellation_page_visited", days_ago(day)) for day in (1, 3)]
    withdrawn = Signal("cancellation_withdrawn", days_ago(4))
    assert signal_risk("acme", [withdrawn, *visits], rule, NOW, UTC).since == days_ago(3)
    assert signal_risk("acme", [withdrawn], rule, NOW, UTC).since == days_ago(4)


def test_a_fact_that_was_taken_back_keeps_no_true_one_quiet() -> None:
    rule = rule_for("champion_left")
    mistake = Retraction("champion_left", days_ago(2), "Another customer's.")
    over = without(mistake, [Signal("champion_left", days_ago(3))], rule)
    assert isinstance(over, Recovered)
    assert over.risk.explanation == "Our champion has left (taken back: Another customer's)."
    # The true one was observed before the mistake was noticed.
    true = signal_risk("acme", [Signal("champion_left", days_ago(5))], rule, NOW, UTC)
    assert isinstance(decide(over.risk, true, NOW, signal_risk_rule(rule)), Opened)


def test_a_risk_that_was_ended_by_mistake_opens_again_at_once() -> None:
    story = [Signal("champion_left", days_ago(3)), Signal("champion_named", days_ago(2))]
    mistake = Retraction("champion_named", days_ago(1), "She is at another customer.")
    assert isinstance(without(mistake, story, rule_for("champion_left")), Opened)


def test_a_signal_without_an_end_fades_after_two_half_lives() -> None:
    rule = rule_for("funding_round")
    known = [[Signal("funding_round", days_ago(age))] for age in (179, 181)]
    stages = [signal_risk("acme", each, rule, NOW, UTC).stage for each in known]
    assert stages == [Stage.LINGERING, Stage.GONE]
    faded = signal_risk("acme", known[1], rule, NOW, UTC).explanation
    assert faded.endswith(f"(nothing new since {days_ago(181).date()}).")


@pytest.mark.parametrize(
    ("zone", "day"), [("UTC", "02"), ("Asia/Tokyo", "03"), ("America/Los_Angeles", "01")]
)
def test_a_signal_is_dated_by_the_day_of_its_account(zone: str, day: str) -> None:
    hour = 5 if zone.startswith("America") else 20
    left = Signal("champion_left", datetime(2026, 3, 2, hour, tzinfo=UTC))
    found = signal_risk("acme", [left], rule_for("champion_left"), NOW, ZoneInfo(zone))
    assert found.explanation == f"Our champion has left (on 2026-03-{day})."


def test_a_low_score_needs_a_second_window_and_names_the_largest_losses() -> None:
    score = score_account(PROFILE, evidence(usage_ratio=0.2, active_users_ratio=0.2), NOW)
    found = low_score("acme", Band.AT_RISK, score, PROFILE.low_score)
    assert found.stage is Stage.PRESENT
    assert found.explanation.endswith("lost on usage (16.8 of 18.0), active users (11.2 of 12.0).")
    assert low_score_risk_rule(PROFILE.low_score).confirmations == 2


def test_nobody_is_sent_after_points_of_what_is_not_known_or_normal() -> None:
    seen = evidence(Signal("champion_left", NOW), usage_ratio=1.1, days_since_activity=9)
    score = score_account(PROFILE, seen, NOW)
    explanation = low_score("acme", Band.AT_RISK, score, PROFILE.low_score).explanation
    assert explanation.endswith(
        "lost on champion (5.0 of 5.0), days without activity (4.9 of 8.0)."
    )
    well = score_account(PROFILE, evidence(usage_ratio=1.1), NOW)
    found = low_score("acme", Band.HEALTHY, well, PROFILE.low_score)
    assert found.explanation.endswith("of the picture.")


@pytest.mark.parametrize(
    ("band", "stage"),
    [(Band.UNKNOWN, Stage.LINGERING), (Band.WATCH, Stage.GONE), (Band.HEALTHY, Stage.GONE)],
)
def test_an_unknown_band_neither_opens_nor_closes_a_low_score(band: Band, stage: Stage) -> None:
    score = score_account(PROFILE, evidence(), NOW)
    assert low_score("acme", band, score, PROFILE.low_score).stage is stage
