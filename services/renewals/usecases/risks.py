"""Risks lower the probability of renewals and open saves; recovery restores and closes them."""

from services.renewals import storage
from services.renewals.domain.account import Account
from services.renewals.domain.renewal import Renewal
from services.renewals.domain.risk import Risk
from services.renewals.domain.save import Save
from services.renewals.domain.wording import explain_fall
from shared.contracts.renewals import RenewalAtRisk, RenewalRestored
from shared.db.transaction import Transaction
from shared.kernel.ids import new_id


async def note_risk(tx: Transaction, told: Risk) -> None:
    """Note that a risk opened or worsened, and count it for every renewal in play.

    A risk told again as it was, or after it recovered, changes nothing.
    """
    account = await storage.lock_account(tx, told.account_id)
    before = await storage.risk(tx, told.account_id, told.risk_id)
    risk = before.told(told) if before else told
    if risk == before:
        return
    await storage.save_risk(tx, risk)
    for renewal in await storage.undecided_renewals(tx, account.account_id):
        await count_open_risks(tx, account, renewal)


async def count_open_risks(tx: Transaction, account: Account, renewal: Renewal) -> None:
    """Lower a renewal by the account's open risks that it does not count yet."""
    if not renewal.is_in_play(account.day_at(tx.now)):
        return
    for risk in await storage.open_risks(tx, account.account_id):
        if not renewal.assessment.counts(risk):
            renewal = await _lower(tx, renewal, risk)


async def note_recovery(tx: Transaction, told: Risk) -> None:
    """Note that a risk is over, and take it out of every renewal that counts it.

    ``told`` is kept even if the risk was never heard of, so that it cannot open afterwards.
    """
    await storage.lock_account(tx, told.account_id)
    before = await storage.risk(tx, told.account_id, told.risk_id)
    risk = before.recovered(told.recovered_at or tx.now) if before else told
    if risk == before:
        return
    await storage.save_risk(tx, risk)
    for renewal in await storage.undecided_renewals(tx, told.account_id):
        if renewal.assessment.names(risk.risk_id):
            await _restore(tx, renewal, risk)


async def _lower(tx: Transaction, before: Renewal, risk: Risk) -> Renewal:
    renewal = before.assessed(before.assessment.with_risk(risk))
    save = await storage.open_save(tx, renewal) or _new_save(tx, renewal)
    save = save.with_risk(risk, at=tx.now)
    await storage.save_renewal(tx, renewal)
    await storage.keep_save(tx, save)
    tx.emit(
        RenewalAtRisk(
            account_id=renewal.account_id,
            renewal_id=str(renewal.renewal_id),
            save_id=str(save.save_id),
            reason=risk.reason,
            explanation=explain_fall(before.assessment, renewal.assessment, risk),
            probability=renewal.assessment.probability,
            previous_probability=before.assessment.probability,
            amount_minor=renewal.amount.amount_minor,
            currency=renewal.amount.currency,
            notice_date=renewal.notice_date,
        )
    )
    return renewal


async def _restore(tx: Transaction, before: Renewal, risk: Risk) -> None:
    renewal = before.assessed(before.assessment.without_risk(risk.risk_id))
    await storage.save_renewal(tx, renewal)
    save = await storage.open_save(tx, renewal)
    if save is not None:
        save = save.without_risk(risk.risk_id, at=tx.now)
        await storage.keep_save(tx, save)
    tx.emit(
        RenewalRestored(
            account_id=renewal.account_id,
            renewal_id=str(renewal.renewal_id),
            reason=risk.reason,
            probability=renewal.assessment.probability,
            previous_probability=before.assessment.probability,
            save_closed=save is not None and not save.is_open,
            restored_at=tx.now,
        )
    )


def _new_save(tx: Transaction, renewal: Renewal) -> Save:
    return Save(
        account_id=renewal.account_id,
        save_id=new_id(),
        renewal_id=renewal.renewal_id,
        opened_at=tx.now,
    )
