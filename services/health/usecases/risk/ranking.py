"""Keep the list of accounts at risk: by how likely they are lost, and by what that would cost."""

from datetime import timedelta

from services.health.domain.risk.loss import rule_probability
from services.health.storage.account import standing
from services.health.storage.risk import at_risk, risks
from services.health.storage.risk.at_risk import Ranked
from services.health.storage.score import looks
from shared.db.transaction import Transaction

_DAY = timedelta(days=1)
MODEL, RULE = "model", "rule"


async def rank(tx: Transaction, account_id: str) -> None:
    """Rank an account by its open risks; without any it leaves the list."""
    await risks.lock(tx, account_id)
    found = await at_risk.open_risks(tx, account_id)
    if not found:
        await at_risk.remove(tx, account_id)
        return
    modelled = await at_risk.modelled_loss(tx, account_id)
    by_rule = rule_probability(risk.severity for _, risk in found)
    probability = by_rule if modelled is None else modelled
    stands = (await standing.of_accounts(tx, [account_id], tx.now.date()))[account_id]
    await at_risk.save(
        tx,
        Ranked(
            account_id=account_id,
            probability=probability,
            origin=RULE if modelled is None else MODEL,
            risks=[
                {"id": risk_id, "reason": risk.reason, "severity": risk.severity.name.lower()}
                for risk_id, risk in found
            ],
            mrr_minor=stands.mrr_minor,
            currency=stands.currency,
            value_minor=None if stands.mrr_minor is None else probability * stands.mrr_minor,
            notice_on=stands.notice_on,
            ends_on=stands.ends_on,
        ),
    )
    # Another contract may be in force tomorrow.
    await looks.bring_forward(tx, account_id, tx.now + _DAY)
