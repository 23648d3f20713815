"""Drops as reasons: what the detector found about an account, in figures and in words."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from services.health.domain.detector.peers import NO_PEER_LEVEL, PeerLevel
from services.health.domain.profile.metrics import ACTIVE_USERS, EVENTS
from services.health.domain.profile.profile import DropRule, Severity
from services.health.domain.risk.reasons import SUGGESTIONS
from services.health.domain.risk.risk import Finding, Reason, Stage
from shared.kernel.figures import percent, spoken

RARE_CHANCE = 0.02
"""So few active days are told only when chance alone gives them this rarely."""

_NEVER_ABOVE = 0.995


@dataclass(frozen=True, slots=True)
class DropReading:
    """The detector's result for one account, metric and day; `level` is normal counts a day.

    `threshold` is p*, and `version` says which calibration it is of (0: the profile's own).
    """

    ratio: float
    probability: float
    alarm: bool
    ready: bool
    level: float
    peers: PeerLevel = NO_PEER_LEVEL
    metric: str = EVENTS
    threshold: float = 1.0
    version: int = 0

    @property
    def reason(self) -> str:
        """The reason a drop of the metric is told as."""
        return Reason.USAGE_DROP if self.metric == EVENTS else f"{self.metric}_drop"


@dataclass(frozen=True, slots=True)
class ActiveDaysReading:
    """Days with activity in the last 28 and the 28 before, and how likely that is by chance."""

    active_days: int
    active_before: int
    chance: float
    is_monitored: bool


def can_monitor(reading: DropReading, rule: DropRule) -> bool:
    """Say whether there is enough history and usage; if not, show "too little usage to monitor"."""
    return reading.ready and reading.level * 7 >= rule.min_events_a_week


def usage_drop(account_id: str, reading: DropReading, rule: DropRule) -> Finding:
    """Judge the detector's result. With too little usage to monitor nothing opens."""
    recovered = (
        reading.ready
        and reading.probability < rule.exit_probability
        and reading.ratio > rule.exit_ratio
    )
    stage = Stage.GONE if recovered else Stage.LINGERING
    if reading.alarm and can_monitor(reading, rule):
        stage = Stage.PRESENT
    return Finding(
        account_id=account_id,
        reason=reading.reason,
        stage=stage,
        severity=_drop_severity(reading.ratio),
        evidence=_drop_evidence(reading),
        explanation=_back(reading) if recovered else _down(reading),
        suggestion=SUGGESTIONS.get(reading.reason, SUGGESTIONS[Reason.USAGE_DROP]),
    )


def _back(reading: DropReading) -> str:
    return (
        f"{_subject(reading.metric)} back at {percent(reading.ratio)} of what is normal for this "
        "account on these weekdays."
    )


def _down(reading: DropReading) -> str:
    return (
        f"{_subject(reading.metric)} at {percent(reading.ratio)} of what is normal for this "
        f"account on these weekdays; {_peers(reading.peers)}; "
        f"{_sure(reading.probability)} sure it is down by more than 30 %."
    )


def _sure(probability: float) -> str:
    """Return a probability in whole percent; it is never said to be certain."""
    return "over 99 %" if probability > _NEVER_ABOVE else percent(probability)


def _subject(metric: str) -> str:
    names = {EVENTS: "Usage", ACTIVE_USERS: "Active users"}
    return names.get(metric, spoken(metric).capitalize())


def _peers(peers: PeerLevel) -> str:
    if peers.level is None:
        return "no comparable customers yet"
    said = f"similar customers are at {percent(peers.level)}"
    return f"{said}, the whole segment is down" if peers.is_alarming else said


def _drop_evidence(reading: DropReading) -> dict[str, float | str]:
    evidence: dict[str, float | str] = {
        "metric": reading.metric,
        "ratio": reading.ratio,
        "probability": reading.probability,
        "threshold": reading.threshold,
        "threshold_version": reading.version,
        "events_a_week": reading.level * 7,
        "comparable_customers": reading.peers.voters,
    }
    if reading.peers.level is not None:
        evidence["peer_factor"] = reading.peers.level
    return evidence


def told_with(usage: Finding, others: Iterable[Finding]) -> Finding:
    """Return a drop of all usage that tells the drops of other metrics: as severe as the worst."""
    down = [one for one in others if one.stage is Stage.PRESENT]
    said = [
        f"{_subject(str(one.evidence['metric']))} at {percent(float(one.evidence['ratio']))}."
        for one in down
    ]
    return replace(
        usage,
        severity=max([usage.severity, *(one.severity for one in down)]),
        explanation=" ".join([usage.explanation, *said]),
    )


def active_days_drop(account_id: str, reading: ActiveDaysReading) -> Finding:
    """Judge an account with too little usage for the detector by its days with activity.

    Present while so few days are improbable by chance and at most half of those before; over when
    three quarters are reached again, or when there is enough usage to monitor.
    """
    fell = reading.active_days <= reading.active_before / 2
    stage = Stage.PRESENT if fell and reading.chance <= RARE_CHANCE else Stage.LINGERING
    is_back = 0 < 0.75 * reading.active_before <= reading.active_days
    if is_back or reading.is_monitored:
        stage = Stage.GONE
    return Finding(
        account_id=account_id,
        reason=Reason.ACTIVE_DAYS_DROP,
        stage=stage,
        severity=Severity.MEDIUM,
        evidence={
            "active_days": reading.active_days,
            "active_days_before": reading.active_before,
            "chance": reading.chance,
        },
        explanation=(
            f"Active on {reading.active_days} of the last 28 days after {reading.active_before} "
            "of the 28 before; there is too little usage to monitor it more closely."
        ),
        suggestion=SUGGESTIONS[Reason.ACTIVE_DAYS_DROP],
    )


def lingering(finding: Finding) -> Finding:
    """Return a finding that opens nothing; what is over stays over."""
    is_present = finding.stage is Stage.PRESENT
    return replace(finding, stage=Stage.LINGERING) if is_present else finding


def accepted(finding: Finding) -> Finding:
    """Return a drop that ends because a person decided, and not because usage is back."""
    said = f"{_subject(str(finding.evidence['metric']))} as it is now was accepted as normal."
    return replace(finding, explanation=said) if finding.stage is Stage.GONE else finding


def suspended(finding: Finding) -> Finding:
    """Return a finding of an account whose monitoring is suspended: nothing is held against it."""
    return replace(
        finding, stage=Stage.GONE, explanation="Monitoring is suspended; nothing is judged."
    )


def _drop_severity(ratio: float) -> Severity:
    if ratio < 0.3:
        return Severity.CRITICAL
    if ratio < 0.5:
        return Severity.HIGH
    return Severity.MEDIUM if ratio < 0.7 else Severity.LOW
