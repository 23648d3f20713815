"""Risks of accounts, kept whether or not there is a contract yet."""

from dataclasses import asdict

from services.renewals.domain.risk import Merge, OpenRisks, Risk
from shared.db.transaction import Transaction

_SELECT = (
    "SELECT account_id, risk_id, reason, severity, title, explanation, next_step, opened_at, "
    "recovered_at FROM risks WHERE account_id = :account_id"
)


async def risk(tx: Transaction, account_id: str, risk_id: str) -> Risk | None:
    """Return a risk of an account."""
    row = await tx.fetch_one(
        f"{_SELECT} AND risk_id = :risk_id", account_id=account_id, risk_id=risk_id
    )
    return Risk(**row) if row else None


async def open_risks(tx: Transaction, account_id: str) -> OpenRisks:
    """Return the open risks of an account, in the order they were found, and who tells them."""
    rows = await tx.fetch_all(
        f"{_SELECT} AND recovered_at IS NULL ORDER BY opened_at, risk_id", account_id=account_id
    )
    merges = await tx.fetch_all(
        "SELECT account_id, risk_id, into_risk_id FROM risk_merges WHERE account_id = :account_id "
        "ORDER BY risk_id, into_risk_id",
        account_id=account_id,
    )
    return OpenRisks.of([Risk(**row) for row in rows], [Merge(**row) for row in merges])


async def add_merge(tx: Transaction, merge: Merge) -> bool:
    """Keep a merge, for good; return False when it is known.

    It undoes the opposite one: two risks that tell each other would both be told by nobody.
    """
    added = await tx.execute(
        "INSERT INTO risk_merges (account_id, risk_id, into_risk_id) "
        "VALUES (:account_id, :risk_id, :into_risk_id) ON CONFLICT DO NOTHING",
        **asdict(merge),
    )
    await tx.execute(
        "DELETE FROM risk_merges WHERE account_id = :account_id AND risk_id = :into_risk_id "
        "AND into_risk_id = :risk_id",
        **asdict(merge),
    )
    return added == 1


async def save_risk(tx: Transaction, risk: Risk) -> None:
    """Store a risk as it now is."""
    await tx.execute(
        "INSERT INTO risks (account_id, risk_id, reason, severity, title, explanation, next_step, "
        "opened_at, recovered_at) VALUES (:account_id, :risk_id, :reason, :severity, :title, "
        ":explanation, :next_step, :opened_at, :recovered_at) "
        "ON CONFLICT (account_id, risk_id) DO UPDATE SET reason = EXCLUDED.reason, "
        "severity = EXCLUDED.severity, title = EXCLUDED.title, "
        "explanation = EXCLUDED.explanation, next_step = EXCLUDED.next_step, "
        "recovered_at = EXCLUDED.recovered_at",
        **asdict(risk),
    )
