"""Risks lower the probability of renewals and open saves; recovery restores and closes them.

A story is counted once: what is merged into an open risk counts with it, and by itself again when
that one is over before it.
"""

from services.renewals import storage
from services.renewals.domain.account import Account
from services.renewals.domain.renewal import Renewal
from services.renewals.domain.risk import Merge, Risk
from services.renewals.domain.save import Save
from services.renewals.domain.wording import explain_fall
from shared.contracts.renewals import RenewalAtRisk, RenewalReassessed, RenewalRestored
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
    """Lower a renewal by the account's open risks, each story once."""
    if not renewal.is_in_play(account.day_at(tx.now)):
        return
    risks = await storage.open_risks(tx, account.account_id)
    for risk in risks.counted:
        if not renewal.assessment.counts(risk):
            renewal = await _lower(tx, renewal, risk)
    for risk, head in risks.merged:
        if renewal.assessment.names(risk.risk_id):
            renewal = await _merge(tx, renewal, risk, head)


async def note_merge(tx: Transaction, merge: Merge) -> None:
    """Note that a risk is told with another one, and count the story once from now on.

    It is kept for when its risks are heard of. Told again, or after either risk is over, it
    changes nothing.
    """
    account = await storage.lock_account(tx, merge.account_id)
    if await storage.add_merge(tx, merge):
        for renewal in await storage.undecided_renewals(tx, account.account_id):
            await count_open_risks(tx, account, renewal)


async def note_recovery(tx: Transaction, told: Risk) -> None:
    """Note that a risk is over, and take it out of every renewal that counts it.

    What was told with it, and is not over, counts by itself again. ``told`` is kept even if the
    risk was never heard of, so that it cannot open afterwards.
    """
    account = await storage.lock_account(tx, told.account_id)
    before = await storage.risk(tx, told.account_id, told.risk_id)
    risk = before.recovered(told.recovered_at or tx.now) if before else told
    if risk == before:
        return
    await storage.save_risk(tx, risk)
    for renewal in await storage.undecided_renewals(tx, told.account_id):
        if renewal.assessment.names(risk.risk_id):
            await _restore(tx, account, renewal, risk)


async def _lower(tx: Transaction, before: Renewal, risk: Risk) -> Renewal:
    renewal = before.assessed(before.assessment.with_risk(risk))
    save = await storage.open_save(tx, renewal) or _new_save(tx, renewal)
    save = save.with_risk(risk, at=tx.now)
    await storage.save_renewal(tx, renewal)
    await storage.keep_save(tx, save)
    contract = await storage.contract(tx, renewal.account_id, renewal.contract_id)
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
            auto_renew=contract.term.auto_renew if contract else None,
        )
    )
    return renewal


async def _merge(tx: Transaction, before: Renewal, risk: Risk, head: Risk) -> Renewal:
    renewal = before.assessed(before.assessment.without_risk(risk.risk_id))
    await storage.save_renewal(tx, renewal)
    save = await storage.open_save(tx, renewal)
    if save is not None:
        await storage.keep_save(tx, save.merged(risk.risk_id, head, at=tx.now))
    tx.emit(
        RenewalReassessed(
            account_id=renewal.account_id,
            renewal_id=str(renewal.renewal_id),
            reason=risk.reason,
            into_reason=head.reason,
            probability=renewal.assessment.probability,
            previous_probability=before.assessment.probability,
        )
    )
    return renewal


async def _restore(tx: Transaction, account: Account, before: Renewal, risk: Risk) -> None:
    assessment = before.assessment.without_risk(risk.risk_id)
    save = await storage.open_save(tx, before)
    for left in await _told_no_more(tx, account, before):
        assessment = assessment.with_risk(left)
        save = save.with_risk(left, at=tx.now) if save else None
    renewal = before.assessed(assessment)
    await storage.save_renewal(tx, renewal)
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


async def _told_no_more(tx: Transaction, account: Account, renewal: Renewal) -> list[Risk]:
    """Return what a renewal has to count by itself again, because what told it is over."""
    if not renewal.is_in_play(account.day_at(tx.now)):
        return []
    risks = await storage.open_risks(tx, account.account_id)
    return [risk for risk in risks.counted if not renewal.assessment.names(risk.risk_id)]


def _new_save(tx: Transaction, renewal: Renewal) -> Save:
    return Save(
        account_id=renewal.account_id,
        save_id=new_id(),
        renewal_id=renewal.renewal_id,
        opened_at=tx.now,
    )
