"""The life of a risk: suspected, open, recovered. One per account and reason."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from services.health.domain.profile.profile import Severity


class Status(StrEnum):
    """Where a risk is in its life; people see a risk only from open on."""

    SUSPECTED = "suspected"
    OPEN = "open"
    RECOVERED = "recovered"


class Reason(StrEnum):
    """The reasons the platform finds by itself; signal rules of a profile add their own."""

    USAGE_DROP = "usage_drop"
    ACTIVE_USERS_DROP = "active_users_drop"
    ACTIVE_DAYS_DROP = "active_days_drop"
    USAGE_DIP = "usage_dip_week_over_week"
    SILENCE = "silence"
    LOW_SCORE = "low_score"


class Stage(StrEnum):
    """What a finding says: entry reached, neither entry nor exit, or exit reached."""

    PRESENT = "present"
    LINGERING = "lingering"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule sees at an account right now, in figures and in words for people."""

    account_id: str
    reason: str
    stage: Stage
    severity: Severity
    evidence: Mapping[str, float | str]
    explanation: str
    suggestion: str


@dataclass(frozen=True, slots=True)
class RiskRule:
    """How a finding becomes a risk.

    It must be seen `confirmations` times, at least `window` apart; 1 opens at first sight. After
    recovery the same reason does not open again within `cool_down`, unless it is worse.
    """

    cool_down: timedelta
    confirmations: int = 1
    window: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Risk:
    """An explained, de-duplicated problem on an account.

    `severity` is the worst seen while open: it never falls, so that a wavering figure does not
    announce the same worsening twice. `confirmed_at` is the last sighting that counted.
    """

    account_id: str
    reason: str
    severity: Severity
    status: Status
    evidence: Mapping[str, float | str]
    explanation: str
    suggestion: str
    last_seen_at: datetime
    confirmed_at: datetime
    sightings: int = 1
    opened_at: datetime | None = None
    recovered_at: datetime | None = None
    cool_down_until: datetime | None = None
    last_severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """The risk is open from now on: tell people."""

    risk: Risk


@dataclass(frozen=True, slots=True)
class Worsened:
    """The open risk is more severe than it has been."""

    risk: Risk
    severity_before: Severity


@dataclass(frozen=True, slots=True)
class Recovered:
    """The open risk is over."""

    risk: Risk


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing to tell; the risk, if any, is to be saved with its fresh evidence."""

    risk: Risk | None


Decision = Opened | Worsened | Recovered | Unchanged


def decide(existing: Risk | None, finding: Finding, now: datetime, rule: RiskRule) -> Decision:
    """Return what a finding means for the account's risk of this reason.

    Raises ValueError when the finding is about another account or reason.
    """
    if existing is None:
        return _first_sight(finding, now, rule)
    if (existing.account_id, existing.reason) != (finding.account_id, finding.reason):
        raise ValueError(
            f"a finding about {finding.account_id}/{finding.reason} cannot decide on the risk "
            f"{existing.account_id}/{existing.reason}"
        )
    if existing.status is Status.OPEN:
        return _while_open(existing, finding, now, rule)
    return _while_closed(existing, finding, now, rule)


def _first_sight(finding: Finding, now: datetime, rule: RiskRule) -> Decision:
    if finding.stage is not Stage.PRESENT:
        return Unchanged(None)
    suspected = Risk(
        account_id=finding.account_id,
        reason=finding.reason,
        severity=finding.severity,
        status=Status.SUSPECTED,
        evidence=finding.evidence,
        explanation=finding.explanation,
        suggestion=finding.suggestion,
        last_seen_at=now,
        confirmed_at=now,
    )
    return _open_if_confirmed(suspected, now, rule)


def _while_open(risk: Risk, finding: Finding, now: datetime, rule: RiskRule) -> Decision:
    if finding.stage is Stage.GONE:
        over = replace(
            _told(risk, finding),
            status=Status.RECOVERED,
            recovered_at=now,
            cool_down_until=now + rule.cool_down,
            last_severity=risk.severity,
        )
        return Recovered(over)
    seen = replace(_told(risk, finding), last_seen_at=now)
    if finding.severity > risk.severity:
        return Worsened(replace(seen, severity=finding.severity), risk.severity)
    return Unchanged(seen)


def _while_closed(risk: Risk, finding: Finding, now: datetime, rule: RiskRule) -> Decision:
    if finding.stage is not Stage.PRESENT:
        return Unchanged(_calmed(risk, finding))
    if _is_cooling_down(risk, finding, now):
        return Unchanged(risk)
    if risk.status is Status.RECOVERED or risk.sightings == 0:
        risk = replace(risk, status=Status.SUSPECTED, sightings=1, confirmed_at=now)
    elif now - risk.confirmed_at >= rule.window:
        risk = replace(risk, sightings=risk.sightings + 1, confirmed_at=now)
    seen = replace(_told(risk, finding), severity=finding.severity, last_seen_at=now)
    return _open_if_confirmed(seen, now, rule)


def _calmed(risk: Risk, finding: Finding) -> Risk:
    """Forget the sightings of a suspicion that did not come true."""
    if risk.status is Status.SUSPECTED and finding.stage is Stage.GONE:
        return replace(risk, sightings=0)
    return risk


def _is_cooling_down(risk: Risk, finding: Finding, now: datetime) -> bool:
    if risk.cool_down_until is None or now >= risk.cool_down_until:
        return False
    return risk.last_severity is None or finding.severity <= risk.last_severity


def _open_if_confirmed(risk: Risk, now: datetime, rule: RiskRule) -> Decision:
    if risk.sightings < rule.confirmations:
        return Unchanged(risk)
    return Opened(replace(risk, status=Status.OPEN, opened_at=now, recovered_at=None))


def _told(risk: Risk, finding: Finding) -> Risk:
    return replace(
        risk,
        evidence=finding.evidence,
        explanation=finding.explanation,
        suggestion=finding.suggestion,
    )
