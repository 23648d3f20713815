"""What people do with a renewal: believe, work, decide."""

from uuid import UUID

from services.renewals import storage
from services.renewals.domain.renewal import (
    Decision,
    Forecast,
    OpenStage,
    Renewal,
    RenewalNotFound,
)
from services.renewals.usecases.windows import drop_windows
from shared.contracts.renewals import RenewalLost, RenewalWon
from shared.db.transaction import Transaction


async def renewal_to_change(tx: Transaction, account_id: str, renewal_id: UUID) -> Renewal:
    """Return a renewal that nobody else can change now. Raises `RenewalNotFound`."""
    if await storage.account(tx, account_id):
        await storage.lock_account(tx, account_id)
    renewal = await storage.renewal(tx, account_id, renewal_id)
    if renewal is None:
        raise RenewalNotFound
    return renewal


async def forecast_renewal(tx: Transaction, before: Renewal, forecast: Forecast) -> None:
    """Note what a person believes, beside the computed probability. Raises `RenewalIsDecided`."""
    await storage.save_renewal(tx, before.forecasted(forecast))


async def move_to_stage(tx: Transaction, before: Renewal, stage: OpenStage) -> None:
    """Move a renewal to another stage. Raises `RenewalIsDecided`."""
    await storage.save_renewal(tx, before.at_stage(stage))


async def decide_renewal(tx: Transaction, before: Renewal, decision: Decision) -> None:
    """Note that a renewal is won or lost: its save is over and no further window opens.

    Raises `RenewalIsDecided`.
    """
    renewal = before.decided(decision)
    await storage.save_renewal(tx, renewal)
    save = await storage.open_save(tx, renewal)
    if save is not None:
        await storage.keep_save(tx, save.closed(decision.outcome, at=tx.now))
    await drop_windows(tx, renewal)
    tx.emit(_decided(renewal, decision))


def _decided(renewal: Renewal, decision: Decision) -> RenewalWon | RenewalLost:
    fact = RenewalWon if decision.outcome == "won" else RenewalLost
    return fact(
        account_id=renewal.account_id,
        renewal_id=str(renewal.renewal_id),
        contract_id=str(renewal.contract_id),
        amount_minor=renewal.amount.amount_minor,
        currency=renewal.amount.currency,
        note=decision.reason,
    )
