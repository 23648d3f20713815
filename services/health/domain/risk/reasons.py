"""The catalogue of reasons: when each is present, when it is over, what to say and what to do.

Each function turns figures into one Finding; `risk.decide` turns findings into risks.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from math import sqrt

from services.health.domain.profile.profile import (
    Decay,
    DipRule,
    LowScoreRule,
    Severity,
    SignalRule,
    SilenceRule,
)
from services.health.domain.risk.risk import Finding, Reason, RiskRule, Stage
from services.health.domain.score.score import Band, Line, Score, Signal
from services.health.domain.score.wording import most_helpful, short_label
from shared.kernel.days import local_day
from shared.kernel.figures import counted, spoken

HALF_LIVES_UNTIL_FADED = 2
SUGGESTIONS: dict[str, str] = {
    Reason.USAGE_DROP: "Call the champion; ask what changed, and who stopped and why.",
    Reason.ACTIVE_USERS_DROP: "Ask the champion who stopped using it, and what they do instead.",
    Reason.ACTIVE_DAYS_DROP: "Ask what they use it for now, and show the next thing worth doing.",
    Reason.USAGE_DIP: "Watch for a week; look for holidays or a finished project first.",
    Reason.SILENCE: "Call a person you know there today; do not write another e-mail.",
    Reason.LOW_SCORE: "Read the largest losses of points and agree on one next step for each.",
}


@dataclass(frozen=True, slots=True)
class SilenceReading:
    """Whole days since the last activity, and how many working days had activity before it."""

    days_since_activity: int
    active_working_days: int
    working_days: int


def silence(account_id: str, reading: SilenceReading, rule: SilenceRule) -> Finding:
    """Judge silence against the account's own habit: who came rarely is not missed."""
    is_regular = (
        reading.working_days >= rule.habit_working_days
        and reading.active_working_days >= rule.habit_share * reading.working_days
    )
    is_silent = reading.days_since_activity >= rule.days
    stage = Stage.PRESENT if is_regular else Stage.LINGERING
    if not is_silent:  # any activity sets the days back to nought
        stage = Stage.GONE
    is_long = reading.days_since_activity >= 2 * rule.days
    return Finding(
        account_id=account_id,
        reason=Reason.SILENCE,
        stage=stage,
        severity=Severity.CRITICAL if is_long else rule.severity,
        evidence={
            "days_since_activity": reading.days_since_activity,
            "active_working_days": reading.active_working_days,
            "working_days": reading.working_days,
        },
        explanation=_silence_in_words(reading),
        suggestion=SUGGESTIONS[Reason.SILENCE],
    )


def usage_dip(account_id: str, last_7_days: float, before: float, rule: DipRule) -> Finding:
    """Compare seven days with the seven before. Few events say nothing: neither open nor close."""
    change = (last_7_days - before) / before if before > 0 else 0.0
    is_over = change > rule.exit_change and last_7_days > 0
    stage = Stage.GONE if is_over else Stage.LINGERING
    # Two Poisson counts differ by chance: their difference has a standard error of sqrt(sum).
    is_chance = before - last_7_days < rule.min_standard_errors * sqrt(before + last_7_days)
    if change <= rule.change and before >= rule.min_events and not is_chance:
        stage = Stage.PRESENT
    return Finding(
        account_id=account_id,
        reason=Reason.USAGE_DIP,
        stage=stage,
        severity=Severity.LOW,
        evidence={"last_7_days": last_7_days, "previous_7_days": before, "change": change},
        explanation=(
            f"{last_7_days:.0f} events in the last 7 days after {before:.0f} in the 7 before"
            f"{f' ({change * 100:+.0f} %)' if before > 0 else ''}."
        ),
        suggestion=SUGGESTIONS[Reason.USAGE_DIP],
    )


def low_score(account_id: str, band: Band, score: Score, rule: LowScoreRule) -> Finding:
    """Judge the band; an unknown band neither opens nor closes a risk."""
    stages = {Band.AT_RISK: Stage.PRESENT, Band.UNKNOWN: Stage.LINGERING}
    # What nobody knows has lost nothing: people would be sent after what may well be in order.
    losses = ", ".join(_loss(line) for line in most_helpful(score.lines, 3))
    return Finding(
        account_id=account_id,
        reason=Reason.LOW_SCORE,
        stage=stages.get(band, Stage.GONE),
        severity=rule.severity,
        evidence={
            "score": score.value,
            "coverage": score.coverage,
            "profile": f"{score.profile_name} v{score.profile_version}",
        },
        explanation=(
            f"Health score {score.value:.0f} of 100 from {score.coverage * 100:.0f} % of the "
            f"picture{f'; most points are lost on {losses}' if losses else ''}."
        ),
        suggestion=SUGGESTIONS[Reason.LOW_SCORE],
    )


def signal_risk(
    account_id: str, signals: Sequence[Signal], rule: SignalRule, now: datetime, zone: tzinfo
) -> Finding:
    """Judge the signals of a rule. The day it names is that of the account's time zone.

    It is over when a closing signal is newer than the last one, or, for a signal that fades,
    after two half-lives (a quarter of its weight left).
    """
    times = counting_times(signals, rule)
    kinds = Counter(s.type for s in _counting(signals, rule) if now - s.at <= rule.window)
    recent = kinds.total()
    stage = Stage.PRESENT if recent >= rule.count else Stage.LINGERING
    if not times or _has_faded(max(times), rule, now):
        stage = Stage.GONE
    seen = _how_often(kinds, rule) if rule.count > 1 else _when(times, zone)
    return Finding(
        account_id=account_id,
        reason=rule.reason,
        stage=stage,
        severity=max([rule.severity, *(s for count, s in rule.worse_at if recent >= count)]),
        evidence={"signal": rule.signal, "seen": recent},
        explanation=f"{rule.title} ({seen}).",
        suggestion=rule.next_step or SUGGESTIONS.get(rule.reason, ""),
    )


def counting_times(signals: Sequence[Signal], rule: SignalRule) -> list[datetime]:
    """Return when the signals of a rule were observed, those after the last that closes it."""
    return [signal.at for signal in _counting(signals, rule)]


def fades_at(last: datetime, rule: SignalRule) -> datetime | None:
    """Return when the last signal of a rule will have faded; None when it does not."""
    if rule.decay is Decay.NONE or rule.half_life_days is None:
        return None
    return last + timedelta(days=rule.half_life_days * HALF_LIVES_UNTIL_FADED)


def signal_risk_rule(rule: SignalRule) -> RiskRule:
    """Return the rule for signals: facts need no confirmation."""
    return RiskRule(cool_down=rule.cool_down)


def low_score_risk_rule(rule: LowScoreRule) -> RiskRule:
    """Return the rule that confirms a low score on a later window before it is a risk."""
    return RiskRule(rule.cool_down, rule.confirmations, rule.window)


def _silence_in_words(reading: SilenceReading) -> str:
    habit = f"{reading.active_working_days} of {reading.working_days} working days"
    days = reading.days_since_activity
    if days == 0:
        return f"Active again; active on {habit} up to then."
    silent = counted(days, "day's", "days'")
    return f"{silent} silence; before that the account was active on {habit}."


def _loss(line: Line) -> str:
    lost = line.max_points - line.points
    return f"{short_label(line.metric)} ({lost:.1f} of {line.max_points:.1f})"


def _counting(signals: Sequence[Signal], rule: SignalRule) -> list[Signal]:
    ended = max((s.at for s in signals if s.type in rule.closed_by), default=None)
    return [s for s in signals if s.type in rule.signals and (ended is None or s.at > ended)]


def _how_often(kinds: Counter[str], rule: SignalRule) -> str:
    """Say how often, and of which types where it was not the rule's own alone."""
    said = f"{counted(kinds.total(), 'time')} in {rule.window.days} days"
    parts = [f"{spoken(kind)} {counted(n, 'time')}" for kind, n in sorted(kinds.items())]
    return f"{said}: {', '.join(parts)}" if set(kinds) - {rule.signal} else said


def _has_faded(last: datetime, rule: SignalRule, now: datetime) -> bool:
    ends = fades_at(last, rule)
    return ends is not None and now > ends


def _when(times: Sequence[datetime], zone: tzinfo) -> str:
    return f"on {local_day(max(times), zone)}" if times else "no longer"
