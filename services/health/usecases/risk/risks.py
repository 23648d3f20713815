"""Turn findings into risks, and say what changed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.health.domain.profile.book import ProfileBook
from services.health.domain.profile.profile import Profile
from services.health.domain.risk.deciding import decide
from services.health.domain.risk.handling import evidence_moved, matters
from services.health.domain.risk.risk import (
    Decision,
    Finding,
    Merged,
    Opened,
    Reason,
    Recovered,
    Risk,
    RiskRule,
    Stage,
    Status,
    Worsened,
)
from services.health.domain.signal.catalogue import Catalogue
from services.health.storage.risk import risks
from services.health.storage.risk.risks import RiskEvent
from services.health.usecases.files.files import load_catalogue
from services.health.usecases.risk.disagreements import REASON_GONE, settle_subject
from services.health.usecases.risk.ranking import rank
from shared.contracts.health import RiskMerged, RiskOpened, RiskRecovered, RiskWorsened
from shared.db.transaction import Transaction
from shared.kernel.figures import spoken
from shared.kernel.ids import new_id

_TITLES: Mapping[str, str] = {
    Reason.USAGE_DROP: "Usage has dropped",
    Reason.ACTIVE_USERS_DROP: "Fewer people use the product",
    Reason.ACTIVE_DAYS_DROP: "The product is used on fewer days",
    Reason.USAGE_DIP: "Usage dipped against last week",
    Reason.SILENCE: "The customer has gone silent",
    Reason.LOW_SCORE: "Health is low",
}

Found = tuple[Finding, RiskRule]
Known = dict[str, tuple[UUID, Risk]]
_OVER = frozenset({Status.RECOVERED, Status.DISMISSED})
_STANDING = frozenset({Status.OPEN, Status.MERGED})
_HEADS = frozenset({Status.OPEN, Status.DISMISSED})
"""A story that a person dismissed is not told in other words."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found about an account, each finding with its rule, and who judged."""

    account_id: str
    findings: Sequence[tuple[Finding, RiskRule]]
    profile: Profile
    caused_at: datetime


async def settle(
    tx: Transaction,
    account_id: str,
    findings: Sequence[Found],
    profile: Profile,
    caused_at: datetime,
) -> Known:
    """Decide what each finding about an account means, keep it and say it.

    Returns the newest risk of each reason, as it is now.
    """
    judged = Judged(account_id, findings, profile, caused_at)
    return (await settle_all(tx, [judged]))[account_id]


async def settle_all(tx: Transaction, judged: Sequence[Judged]) -> Mapping[str, Known]:
    """Do so for accounts, whose risks are read together; the risks by account and reason."""
    known = await risks.latest_of(tx, [one.account_id for one in judged])
    return {
        one.account_id: await _settle(tx, one, dict(known.get(one.account_id, {})))
        for one in judged
    }


async def _settle(tx: Transaction, judged: Judged, known: Known) -> Known:
    account_id, catalogue = judged.account_id, load_catalogue()
    was_open = _is_any_open(known)
    for finding, rule in _in_order(judged.findings, catalogue):
        head = _head(finding.reason, known, catalogue)
        risk_id, existing = known.get(finding.reason, (None, None))
        decision = decide(existing, finding, tx.now, rule, str(head) if head else None)
        if decision.risk is None or decision.risk == existing:
            continue
        if risk_id is None or _is_new_episode(existing, decision.risk):
            risk_id, existing = new_id(), None
        risk = await _keep(tx, risk_id, existing, decision)
        known[finding.reason] = (risk_id, risk)
        if isinstance(decision, Recovered):
            left = _still_open(finding.reason, known, judged, catalogue)
            tx.emit(_recovered(risk_id, decision.risk, left))
        _say(tx, risk_id, decision, judged.profile, judged.caused_at)
        if isinstance(decision, Merged) and risk.opened_at is not None:
            _say_merged(tx, (risk_id, risk), known, catalogue)
        if _is_settled(existing, risk):
            await settle_subject(tx, account_id, f"risk:{risk_id}", REASON_GONE)
    if was_open or _is_any_open(known):
        await rank(tx, account_id)
    return known


def _is_any_open(known: Known) -> bool:
    return any(risk.status is Status.OPEN for _, risk in known.values())


def _is_settled(before: Risk | None, after: Risk) -> bool:
    """Tell whether a reason is gone that a person had said was none."""
    was_dismissed = before is not None and before.status is Status.DISMISSED
    return was_dismissed and after.status is Status.RECOVERED


def _in_order(findings: Sequence[Found], catalogue: Catalogue) -> Iterator[Found]:
    """Yield what says the most first, as bad as the worst that is told with it."""
    ordered = sorted(findings, key=lambda found: len(catalogue.stronger(found[0].reason)))
    worst = {f.reason: f.severity for f, _ in findings if f.stage is Stage.PRESENT}
    for finding, rule in ordered:
        told_with_it = [worst[r] for r in catalogue.weaker(finding.reason) if r in worst]
        yield replace(finding, severity=max([finding.severity, *told_with_it])), rule


def _head(reason: str, known: Known, catalogue: Catalogue) -> UUID | None:
    """Return the risk that tells this reason's story and more of it."""
    for stronger in catalogue.stronger(reason):
        risk_id, risk = known.get(stronger, (None, None))
        if risk is not None and risk.status in _HEADS:
            return risk_id
    return None


def _still_open(reason: str, known: Known, judged: Judged, catalogue: Catalogue) -> str | None:
    """Return the strongest reason of the same story that people know of and that is not over."""
    over = {finding.reason for finding, _ in judged.findings if finding.stage is Stage.GONE}
    for other in (*catalogue.stronger(reason), *catalogue.weaker(reason)):
        _, risk = known.get(other, (None, None))
        if risk is not None and risk.status in _STANDING and risk.was_told and other not in over:
            return other
    return None


def _is_new_episode(before: Risk | None, after: Risk) -> bool:
    """Tell whether a reason came back after it was over: a new risk, with its own alert."""
    return before is not None and before.status in _OVER and after.status not in _OVER


async def _keep(tx: Transaction, risk_id: UUID, before: Risk | None, decision: Decision) -> Risk:
    """Save a risk, with its next version and its timeline when the change matters to people."""
    risk = decision.risk
    if risk is None:
        raise ValueError("there is no risk to keep")
    kind = _happened(before, decision)
    if matters(before, risk):
        risk = replace(risk, version=before.version + 1 if before else 1)
    if kind is not None:
        risk = replace(risk, noted=risk.evidence)
    await risks.save(tx, risk_id, risk)
    if kind is not None:
        details = {"severity": risk.severity.name.lower(), "explanation": risk.explanation}
        await risks.note(
            tx, risk_id, RiskEvent(kind, details={**details, "evidence": dict(risk.evidence)})
        )
    return risk


def _happened(before: Risk | None, decision: Decision) -> str | None:
    """Return what a timeline says of a decision; None when it has nothing to say."""
    if isinstance(decision, (Opened, Worsened, Recovered, Merged)):
        return type(decision).__name__.lower()
    if before is None or decision.risk is None or decision.risk.status is Status.SUSPECTED:
        return None
    if before.status is not decision.risk.status:
        return "separated" if before.status is Status.MERGED else decision.risk.status.value
    return "evidence" if evidence_moved(before.noted, decision.risk.evidence) else None


def _say(
    tx: Transaction, risk_id: UUID, decision: Decision, profile: Profile, caused_at: datetime
) -> None:
    if isinstance(decision, (Opened, Worsened)):
        fact = RiskOpened if isinstance(decision, Opened) else RiskWorsened
        risk = decision.risk
        tx.emit(
            fact(
                account_id=risk.account_id,
                risk_id=str(risk_id),
                reason=str(risk.reason),
                severity=risk.severity.name.lower(),
                title=title_of(str(risk.reason), profile),
                explanation=risk.explanation,
                next_step=risk.suggestion,
                evidence=risk.evidence,
                profile=f"{profile.name}@{profile.version}",
                caused_at=caused_at,
            )
        )


def _say_merged(
    tx: Transaction, merged: tuple[UUID, Risk], known: Known, catalogue: Catalogue
) -> None:
    """Tell people who know of a risk that it is told with another from now on."""
    risk_id, risk = merged
    head = next(
        reason
        for reason in catalogue.stronger(risk.reason)
        if reason in known and str(known[reason][0]) == risk.merged_into
    )
    tx.emit(
        RiskMerged(
            account_id=risk.account_id,
            risk_id=str(risk_id),
            reason=str(risk.reason),
            into_risk_id=str(risk.merged_into),
            into_reason=head,
        )
    )


def _recovered(risk_id: UUID, risk: Risk, still_open: str | None) -> RiskRecovered:
    return RiskRecovered(
        account_id=risk.account_id,
        risk_id=str(risk_id),
        reason=str(risk.reason),
        explanation=risk.explanation,
        opened_at=risk.opened_at or risk.confirmed_at,
        recovered_at=risk.recovered_at or risk.last_seen_at,
        still_open=still_open,
    )


def title_of(reason: str, profiles: Profile | ProfileBook) -> str:
    """Return what a reason is called in a headline.

    A risk may outlive the rule that opened it; then its reason in words is its title.
    """
    if reason in _TITLES:
        return _TITLES[reason]
    if titled := profiles.title(reason) or load_catalogue().title(reason):
        return titled
    if reason.endswith("_drop"):  # of a metric that the profile watches
        return f"{reason.removesuffix('_drop').replace('_', ' ').capitalize()} has dropped"
    return spoken(reason).capitalize()
