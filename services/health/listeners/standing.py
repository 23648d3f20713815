"""What health does when it hears of contracts, onboarding and renewals."""

from services.health.storage.account import standing
from services.health.storage.account.standing import Outcome, SignedContract
from services.health.usecases.risk.ranking import rank
from shared.bus.listeners import Listener, on
from shared.contracts.onboarding import OnboardingCompleted, OnboardingStarted
from shared.contracts.renewals import ContractAmended, ContractSigned, RenewalLost, RenewalWon
from shared.db.transaction import Transaction


async def note_contract(tx: Transaction, fact: ContractSigned) -> None:
    """Keep the term, the seats and the amount."""
    await standing.sign_contract(
        tx,
        SignedContract(
            account_id=fact.account_id,
            contract_id=fact.contract_id,
            starts_on=fact.starts_on,
            ends_on=fact.ends_on,
            notice_on=fact.notice_date,
            seats=fact.seats,
            amount_minor=fact.amount_minor,
            currency=fact.currency,
        ),
    )
    await rank(tx, fact.account_id)


async def note_amendment(tx: Transaction, fact: ContractAmended) -> None:
    """Keep the new end of the term."""
    await standing.amend_contract(
        tx, fact.account_id, fact.contract_id, ends_on=fact.ends_on, notice_on=fact.notice_date
    )
    await rank(tx, fact.account_id)


async def note_onboarding_started(tx: Transaction, fact: OnboardingStarted) -> None:
    """Note that the account is landing: another profile may judge it."""
    at = tx.cause.time if tx.cause else tx.now
    await standing.note_onboarding(tx, fact.account_id, started_at=at, completed_at=None)


async def note_onboarding_completed(tx: Transaction, fact: OnboardingCompleted) -> None:
    """Note that the account has landed."""
    await standing.note_onboarding(
        tx, fact.account_id, started_at=None, completed_at=fact.completed_at
    )


async def note_outcome(tx: Transaction, fact: RenewalWon | RenewalLost) -> None:
    """Keep how a renewal ended."""
    await standing.note_outcome(
        tx,
        Outcome(
            account_id=fact.account_id,
            renewal_id=fact.renewal_id,
            contract_id=fact.contract_id,
            resolved_at=tx.cause.time if tx.cause else tx.now,
            is_lost=isinstance(fact, RenewalLost),
            amount_minor=fact.amount_minor,
            currency=fact.currency,
        ),
    )


LISTENERS: tuple[Listener, ...] = (
    on(ContractSigned, note_contract),
    on(ContractAmended, note_amendment),
    on(OnboardingStarted, note_onboarding_started),
    on(OnboardingCompleted, note_onboarding_completed),
    on(RenewalWon, note_outcome),
    on(RenewalLost, note_outcome),
)
