"""Risks of accounts, kept whether or not there is a contract yet."""

from dataclasses import asdict

from services.renewals.domain.risk import Risk
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


async def open_risks(tx: Transaction, account_id: str) -> list[Risk]:
    """Return the open risks of an account, in the order they were found."""
    rows = await tx.fetch_all(
        f"{_SELECT} AND recovered_at IS NULL ORDER BY opened_at, risk_id", account_id=account_id
    )
    return [Risk(**row) for row in rows]


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
