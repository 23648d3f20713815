"""Turn findings into risks, and say what changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.health.domain.profile.book import ProfileBook
from services.health.domain.profile.profile import Profile
from services.health.domain.risk.risk import (
    Decision,
    Finding,
    Opened,
    Reason,
    Recovered,
    Risk,
    RiskRule,
    Status,
    Worsened,
    decide,
)
from services.health.storage import risks
from shared.contracts.health import RiskOpened, RiskRecovered, RiskWorsened
from shared.db.transaction import Transaction
from shared.kernel.ids import new_id

_TITLES = {
    Reason.USAGE_DROP: "Usage has dropped",
    Reason.ACTIVE_USERS_DROP: "Fewer people use the product",
    Reason.ACTIVE_DAYS_DROP: "The product is used on fewer days",
    Reason.USAGE_DIP: "Usage dipped against last week",
    Reason.SILENCE: "The customer has gone silent",
    Reason.LOW_SCORE: "Health is low",
}


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
    findings: Sequence[tuple[Finding, RiskRule]],
    profile: Profile,
    caused_at: datetime,
) -> None:
    """Decide what each finding about an account means, keep it and say it."""
    await settle_all(tx, [Judged(account_id, findings, profile, caused_at)])


async def settle_all(tx: Transaction, judged: Sequence[Judged]) -> None:
    """Decide what the findings about accounts mean, in the same few queries for all of them."""
    known = await risks.latest_of(tx, [one.account_id for one in judged])
    changed: list[tuple[UUID, Risk]] = []
    for one in judged:
        of_account = known.get(one.account_id, {})
        for finding, rule in one.findings:
            risk_id, existing = of_account.get(finding.reason, (None, None))
            decision = decide(existing, finding, tx.now, rule)
            if decision.risk is None or decision.risk == existing:
                continue
            if risk_id is None or _is_new_episode(existing, decision.risk):
                risk_id = new_id()
            changed.append((risk_id, decision.risk))
            _say(tx, risk_id, decision, one.profile, one.caused_at)
    if changed:
        await risks.save_all(tx, changed)


def _is_new_episode(before: Risk | None, after: Risk) -> bool:
    """Tell whether a reason came back after recovery: that is a new risk, with its own alert."""
    was_over = before is not None and before.status is Status.RECOVERED
    return was_over and after.status is not Status.RECOVERED


def _say(
    tx: Transaction, risk_id: UUID, decision: Decision, profile: Profile, caused_at: datetime
) -> None:
    if isinstance(decision, Recovered):
        tx.emit(_recovered(risk_id, decision.risk))
    elif isinstance(decision, (Opened, Worsened)):
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


def _recovered(risk_id: UUID, risk: Risk) -> RiskRecovered:
    return RiskRecovered(
        account_id=risk.account_id,
        risk_id=str(risk_id),
        reason=str(risk.reason),
        explanation=risk.explanation,
        opened_at=risk.opened_at or risk.confirmed_at,
        recovered_at=risk.recovered_at or risk.last_seen_at,
    )


def title_of(reason: str, profile: Profile | ProfileBook) -> str:
    """Return what a reason is called in a headline.

    A risk may outlive the rule that opened it; then its reason in words is its title.
    """
    if reason in _TITLES:
        return _TITLES[Reason(reason)]
    if titled := profile.title(reason):
        return titled
    if reason.endswith("_drop"):  # of a metric that the profile watches
        return f"{reason.removesuffix('_drop').replace('_', ' ').capitalize()} has dropped"
    return reason.replace("_", " ").capitalize()
