"""The event door: accounts from onboarding, risks from health."""

from services.renewals import usecases
from services.renewals.domain.risk import Merge, Risk
from shared.bus.listeners import on
from shared.contracts.health import (
    RiskDismissed,
    RiskMerged,
    RiskOpened,
    RiskRecovered,
    RiskWorsened,
)
from shared.contracts.onboarding import AccountChanged, AccountOpened
from shared.db.transaction import Transaction


async def note_account(tx: Transaction, fact: AccountOpened | AccountChanged) -> None:
    """Note an account's segment and time zone."""
    await usecases.describe_account(
        tx, fact.account_id, segment=fact.segment, time_zone=fact.time_zone
    )


async def note_risk(tx: Transaction, fact: RiskOpened | RiskWorsened) -> None:
    """Lower the account's renewals and open their saves."""
    risk = Risk(
        account_id=fact.account_id,
        risk_id=fact.risk_id,
        reason=fact.reason,
        severity=fact.severity,
        title=fact.title,
        explanation=fact.explanation,
        next_step=fact.next_step,
        opened_at=fact.caused_at,
    )
    await usecases.note_risk(tx, risk)


async def note_recovery(tx: Transaction, fact: RiskRecovered) -> None:
    """Restore the account's renewals and close their saves."""
    risk = Risk(
        account_id=fact.account_id,
        risk_id=fact.risk_id,
        reason=fact.reason,
        severity="unknown",
        title=fact.reason,
        explanation=fact.explanation,
        next_step="",
        opened_at=fact.opened_at,
        recovered_at=fact.recovered_at,
    )
    await usecases.note_recovery(tx, risk)


async def note_dismissal(tx: Transaction, fact: RiskDismissed) -> None:
    """Restore the account's renewals: a person says that the risk is none."""
    risk = Risk(
        account_id=fact.account_id,
        risk_id=fact.risk_id,
        reason=fact.reason,
        severity="unknown",
        title=fact.reason,
        explanation=fact.note or "A person says that this is no risk.",
        next_step="",
        opened_at=fact.dismissed_at,
        recovered_at=fact.dismissed_at,
    )
    await usecases.note_recovery(tx, risk)


async def note_merge(tx: Transaction, fact: RiskMerged) -> None:
    """Count the risk with the one that tells it, and not by itself."""
    await usecases.note_merge(tx, Merge(fact.account_id, fact.risk_id, fact.into_risk_id))


LISTENERS = (
    on(AccountOpened, note_account),
    on(AccountChanged, note_account),
    on(RiskOpened, note_risk),
    on(RiskWorsened, note_risk),
    on(RiskRecovered, note_recovery),
    on(RiskDismissed, note_dismissal),
    on(RiskMerged, note_merge),
)
