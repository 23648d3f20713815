"""The catalogue of reasons: when each is present, when it is over, what to say and what to do.

Each function turns figures into one Finding; `risk.decide` turns findings into risks.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from math import sqrt

from services.health.domain.detector.peers import NO_PEER_LEVEL, PeerLevel
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
from shared.kernel.figures import counted, percent, spoken

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
class Retraction:
    """A signal that was taken back: its type, when, and why."""

    signal_type: str
    at: datetime
    because: str


@dataclass(frozen=True, slots=True)
class SilenceReading:
    """Whole days since the last activity, and how many working days had activity before it."""

    days_since_activity: int
    active_working_days: int
    working_days: int


@dataclass(frozen=True, slots=True)
class DipReading:
    """Events of seven days and of the seven before, and the ratio to normal once one is known.

    `peers` is where similar customers were in the last seven days.
    """

    last_7_days: float
    before: float
    ratio: float | None = None
    peers: PeerLevel = NO_PEER_LEVEL


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


def usage_dip(account_id: str, reading: DipReading, rule: DipRule, exit_ratio: float) -> Finding:
    """Compare seven days with the seven before. Few events say nothing: neither open nor close.

    A week later the week before is the bad one itself. So it is over only when usage is back above
    the exit ratio of its own normal as well, as a drop is. Whoever fell as far as its peers did has
    not fallen: that is an alarm of the segment.
    """
    last_7_days, before = reading.last_7_days, reading.before
    change = (last_7_days - before) / before if before > 0 else 0.0
    is_low = reading.ratio is not None and reading.ratio <= exit_ratio
    is_over = change > rule.exit_change and last_7_days > 0 and not is_low
    stage = Stage.GONE if is_over else Stage.LINGERING
    as_peers = before * (1.0 if reading.peers.level is None else reading.peers.level)
    # Two Poisson counts differ by chance: their difference has a standard error of sqrt(sum).
    is_chance = as_peers - last_7_days < rule.min_standard_errors * sqrt(as_peers + last_7_days)
    has_fallen = last_7_days <= (1 + rule.change) * as_peers and not is_chance
    if has_fallen and before >= rule.min_events and not reading.peers.is_alarming:
        stage = Stage.PRESENT
    return Finding(
        account_id=account_id,
        reason=Reason.USAGE_DIP,
        stage=stage,
        severity=Severity.LOW,
        evidence={"last_7_days": last_7_days, "previous_7_days": before, "change": change},
        explanation=_dip_in_words(reading, change, stage),
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
    over_since = _over_since(signals, rule, now)
    if over_since is not None:
        stage = Stage.GONE
    since = sorted(times)[-rule.count] if stage is Stage.PRESENT else over_since
    if stage is Stage.GONE:
        seen = _ended_by(signals, rule, zone)
    else:
        seen = _how_often(kinds, rule) if rule.count > 1 else f"on {local_day(max(times), zone)}"
    return Finding(
        account_id=account_id,
        reason=rule.reason,
        stage=stage,
        severity=max([rule.severity, *(s for count, s in rule.worse_at if recent >= count)]),
        evidence={"signal": rule.signal, "seen": recent},
        explanation=f"{rule.title} ({seen}).",
        suggestion=rule.next_step or SUGGESTIONS.get(rule.reason, ""),
        since=since,
    )


def after_retraction(
    finding: Finding, rule: SignalRule, mistake: Retraction
) -> tuple[Finding, RiskRule]:
    """Return a finding and how it becomes a risk once a signal was taken back.

    What was never so keeps nothing quiet: neither a fact that opened a risk, nor one that ended it.
    """
    if mistake.signal_type in rule.signals and finding.stage is Stage.GONE:
        said = f"{rule.title} (taken back: {mistake.because.rstrip('. ')})."
        return replace(finding, explanation=said), RiskRule(cool_down=timedelta(0))
    if mistake.signal_type in rule.closed_by and finding.stage is Stage.PRESENT:
        return replace(finding, since=mistake.at), signal_risk_rule(rule)
    return finding, signal_risk_rule(rule)


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


def _dip_in_words(reading: DipReading, change: float, stage: Stage) -> str:
    percentage = f" ({change * 100:+.0f} %)" if reading.before > 0 else ""
    weeks = (
        f"{reading.last_7_days:.0f} events in the last 7 days after {reading.before:.0f} in the "
        f"7 before{percentage}"
    )
    # While two weeks show the fall, the ratio, which weighs some more days, has yet to follow.
    if reading.ratio is None or stage is Stage.PRESENT:
        return f"{weeks}."
    return f"{weeks}; usage is at {percent(reading.ratio)} of its own normal."


def _loss(line: Line) -> str:
    lost = line.max_points - line.points
    return f"{short_label(line.metric)} ({lost:.1f} of {line.max_points:.1f})"


def _counting(signals: Sequence[Signal], rule: SignalRule) -> list[Signal]:
    ended = _closing(signals, rule)
    return [s for s in signals if s.type in rule.signals and (ended is None or s.at > ended.at)]


def _closing(signals: Sequence[Signal], rule: SignalRule) -> Signal | None:
    closing = (signal for signal in signals if signal.type in rule.closed_by)
    return max(closing, key=lambda signal: signal.at, default=None)


def _over_since(signals: Sequence[Signal], rule: SignalRule, now: datetime) -> datetime | None:
    """Return since when nothing counts for a rule; None while something does."""
    times = counting_times(signals, rule)
    if not times:
        ended = _closing(signals, rule)
        return ended.at if ended else now
    ends = fades_at(max(times), rule)
    return ends if ends is not None and now > ends else None


def _how_often(kinds: Counter[str], rule: SignalRule) -> str:
    """Say how often, and of which types where it was not the rule's own alone."""
    said = f"{counted(kinds.total(), 'time')} in {rule.window.days} days"
    parts = [f"{spoken(kind)} {counted(n, 'time')}" for kind, n in sorted(kinds.items())]
    return f"{said}: {', '.join(parts)}" if set(kinds) - {rule.signal} else said


def _ended_by(signals: Sequence[Signal], rule: SignalRule, zone: tzinfo) -> str:
    """Say what ended a reason: its last signal has faded, or another one closed it."""
    times = counting_times(signals, rule)
    if times:
        return f"nothing new since {local_day(max(times), zone)}"
    ended = _closing(signals, rule)
    if ended is None:
        return "no longer counted"
    return f"{spoken(ended.type)} on {local_day(ended.at, zone)}"
