"""The event door: contracts, usage, risks, accounts and onboarding."""

from services.expansion import usecases
from services.expansion.domain.entitlement import Entitlement
from services.expansion.domain.hold import Risk
from services.expansion.domain.utilisation import Usage
from shared.bus.listeners import on
from shared.contracts.health import RiskDismissed, RiskOpened, RiskRecovered, UsageRolledUp
from shared.contracts.onboarding import (
    AccountChanged,
    AccountOpened,
    OnboardingCompleted,
    OnboardingStarted,
)
from shared.contracts.renewals import ContractSigned
from shared.db.transaction import Transaction


async def note_account(tx: Transaction, fact: AccountOpened | AccountChanged) -> None:
    """Note an account's time zone."""
    await usecases.describe_account(tx, fact.account_id, time_zone=fact.time_zone)


async def start_landing(tx: Transaction, fact: OnboardingStarted) -> None:
    """Sell nothing until the day."""
    await usecases.start_landing(tx, fact.account_id, no_upsell_until=fact.no_upsell_until)


async def end_landing(tx: Transaction, fact: OnboardingCompleted) -> None:
    """Offer what landing held back."""
    await usecases.end_landing(tx, fact.account_id)


async def note_contract(tx: Transaction, fact: ContractSigned) -> None:
    """Note the seats sold."""
    entitlement = Entitlement(
        account_id=fact.account_id,
        contract_id=fact.contract_id,
        seats=fact.seats,
        starts_on=fact.starts_on,
        signed_at=tx.cause.time if tx.cause else tx.now,
    )
    await usecases.note_entitlement(tx, entitlement)


async def note_usage(tx: Transaction, fact: UsageRolledUp) -> None:
    """Note how many users are active."""
    await usecases.note_usage(tx, fact.account_id, Usage(fact.day, fact.active_users_28d))


async def note_risk(tx: Transaction, fact: RiskOpened) -> None:
    """Offer nothing while the risk is open."""
    risk = Risk(
        account_id=fact.account_id,
        risk_id=fact.risk_id,
        reason=fact.reason,
        opened_at=fact.caused_at,
    )
    await usecases.note_risk(tx, risk)


async def note_recovery(tx: Transaction, fact: RiskRecovered) -> None:
    """Offer again what the risk held back."""
    risk = Risk(
        account_id=fact.account_id,
        risk_id=fact.risk_id,
        reason=fact.reason,
        opened_at=fact.opened_at,
        recovered_at=fact.recovered_at,
    )
    await usecases.note_risk(tx, risk)


async def note_dismissal(tx: Transaction, fact: RiskDismissed) -> None:
    """Offer again what the risk held back: a person says that it is none."""
    risk = Risk(
        account_id=fact.account_id,
        risk_id=fact.risk_id,
        reason=fact.reason,
        opened_at=fact.dismissed_at,
        recovered_at=fact.dismissed_at,
    )
    await usecases.note_risk(tx, risk)


LISTENERS = (
    on(AccountOpened, note_account),
    on(AccountChanged, note_account),
    on(OnboardingStarted, start_landing),
    on(OnboardingCompleted, end_landing),
    on(ContractSigned, note_contract),
    on(UsageRolledUp, note_usage),
    on(RiskOpened, note_risk),
    on(RiskRecovered, note_recovery),
    on(RiskDismissed, note_dismissal),
)
