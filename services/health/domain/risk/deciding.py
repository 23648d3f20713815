"""What a finding means for the account's risk of its reason."""

from dataclasses import replace
from datetime import datetime

from services.health.domain.risk.risk import (
    Decision,
    Finding,
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


def decide(
    existing: Risk | None,
    finding: Finding,
    now: datetime,
    rule: RiskRule,
    head: str | None = None,
) -> Decision:
    """Return what a finding means for the account's risk of this reason.

    ``head`` is the id of the open risk that tells the same story and more of it, if there is one:
    then this one is not told by itself. Raises ValueError when the finding is about another
    account or reason.
    """
    if head is not None:
        return _under(head, existing, finding, now, rule)
    if existing is None:
        return _first_sight(finding, now, rule)
    if (existing.account_id, existing.reason) != (finding.account_id, finding.reason):
        raise ValueError(
            f"a finding about {finding.account_id}/{finding.reason} cannot decide on the risk "
            f"{existing.account_id}/{existing.reason}"
        )
    if existing.status is Status.MERGED:
        return _released(existing, finding, now, rule)
    if existing.status is Status.OPEN:
        return _while_open(existing, finding, now, rule)
    if existing.status is Status.DISMISSED:
        return _while_dismissed(existing, finding, now, rule)
    return _while_closed(existing, finding, now, rule)


def _under(
    head: str, existing: Risk | None, finding: Finding, now: datetime, rule: RiskRule
) -> Decision:
    """Decide while a stronger risk tells the story."""
    if existing is not None and existing.status is Status.MERGED:
        if finding.stage is Stage.GONE:
            return _released(existing, finding, now, rule)
        severity = max(existing.severity, finding.severity)
        seen = replace(_told(existing, finding), last_seen_at=now, severity=severity)
        if existing.merged_into == head:
            return Unchanged(seen)
        return Merged(replace(seen, merged_into=head))
    decision = decide(existing, finding, now, rule)
    if decision.risk is None or decision.risk.status is not Status.OPEN:
        return decision
    is_told = existing is not None and existing.status is Status.OPEN
    opened_at = decision.risk.opened_at if is_told else None
    merged = replace(decision.risk, status=Status.MERGED, merged_into=head, opened_at=opened_at)
    return Merged(replace(merged, handling=None))


def _released(risk: Risk, finding: Finding, now: datetime, rule: RiskRule) -> Decision:
    """Decide about a merged risk that stands alone: what people know of goes on, or is over."""
    alone = replace(risk, status=Status.OPEN, merged_into=None)
    if risk.was_told:
        return _while_open(alone, finding, now, rule)
    suspected = replace(alone, status=Status.SUSPECTED, sightings=0)
    return _while_closed(suspected, finding, now, rule)


def _while_dismissed(risk: Risk, finding: Finding, now: datetime, rule: RiskRule) -> Decision:
    """Keep to what a person said, until the reason is gone or worse than it was then."""
    if finding.stage is Stage.GONE:
        # Everybody knows already that it is over: nothing is said a second time.
        return Unchanged(
            replace(
                _told(risk, finding),
                status=Status.RECOVERED,
                over_since=finding.since or now,
                cool_down_until=now + rule.cool_down,
                last_severity=risk.severity,
            )
        )
    if finding.stage is Stage.PRESENT and finding.severity > risk.severity:
        return decide(None, finding, now, replace(rule, confirmations=1))
    return Unchanged(replace(_told(risk, finding), last_seen_at=now))


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
            over_since=finding.since or now,
            cool_down_until=now + rule.cool_down,
            last_severity=risk.severity,
            handling=None,
        )
        return Recovered(over)
    seen = replace(_told(risk, finding), last_seen_at=now)
    if finding.severity > risk.severity:
        is_put_off = risk.handling is not None and risk.handling.taken is Taken.SNOOZED
        handling = None if is_put_off else risk.handling
        worse = replace(seen, severity=finding.severity, handling=handling)
        return Worsened(worse, risk.severity)
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
    if _is_news(risk, finding):
        return False
    return risk.last_severity is None or finding.severity <= risk.last_severity


def _is_news(risk: Risk, finding: Finding) -> bool:
    """Tell whether a finding rests on facts that came after what ended the risk."""
    over = risk.over_since or risk.recovered_at
    return finding.since is not None and over is not None and finding.since > over


def _open_if_confirmed(risk: Risk, now: datetime, rule: RiskRule) -> Decision:
    if risk.sightings < rule.confirmations:
        return Unchanged(risk)
    opened = replace(risk, status=Status.OPEN, opened_at=now, recovered_at=None)
    return Opened(replace(opened, handling=None, merged_into=None))


def _told(risk: Risk, finding: Finding) -> Risk:
    return replace(
        risk,
        evidence=finding.evidence,
        explanation=finding.explanation,
        suggestion=finding.suggestion,
    )
