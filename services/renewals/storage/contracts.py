"""Contracts."""

from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from services.renewals.domain.contract import Contract, Term
from shared.db.transaction import Transaction
from shared.kernel.money import Money

_SELECT = (
    "SELECT account_id, contract_id, starts_on, ends_on, notice_period_days, auto_renew, seats, "
    "amount_minor, currency, signed_at, version FROM contracts WHERE account_id = :account_id "
)


async def contract(tx: Transaction, account_id: str, contract_id: UUID) -> Contract | None:
    """Return a contract of an account."""
    row = await tx.fetch_one(
        f"{_SELECT} AND contract_id = :contract_id", account_id=account_id, contract_id=contract_id
    )
    return _contract(row) if row else None


async def contracts(
    tx: Transaction, account_id: str, *, after: UUID | None, limit: int
) -> list[Contract]:
    """Return contracts of an account in the order they were signed."""
    rows = await tx.fetch_all(
        f"{_SELECT} AND (CAST(:after AS uuid) IS NULL OR contract_id > :after) "
        "ORDER BY contract_id LIMIT :limit",
        account_id=account_id,
        after=after,
        limit=limit,
    )
    return [_contract(row) for row in rows]


async def add_contract(tx: Transaction, contract: Contract) -> None:
    """Store a new contract."""
    await tx.execute(
        "INSERT INTO contracts (account_id, contract_id, starts_on, ends_on, notice_period_days, "
        "auto_renew, seats, amount_minor, currency, signed_at, version) VALUES (:account_id, "
        ":contract_id, :starts_on, :ends_on, :notice_period_days, :auto_renew, :seats, "
        ":amount_minor, :currency, :signed_at, :version)",
        account_id=contract.account_id,
        contract_id=contract.contract_id,
        seats=contract.seats,
        amount_minor=contract.amount.amount_minor,
        currency=contract.amount.currency,
        signed_at=contract.signed_at,
        version=contract.version,
        **_term_columns(contract.term),
    )


async def save_contract(tx: Transaction, contract: Contract) -> None:
    """Store the term of a contract as it now is."""
    await tx.execute(
        "UPDATE contracts SET starts_on = :starts_on, ends_on = :ends_on, "
        "notice_period_days = :notice_period_days, auto_renew = :auto_renew, version = :version "
        "WHERE account_id = :account_id AND contract_id = :contract_id",
        account_id=contract.account_id,
        contract_id=contract.contract_id,
        version=contract.version,
        **_term_columns(contract.term),
    )


def _term_columns(term: Term) -> dict[str, Any]:
    return {
        "starts_on": term.starts_on,
        "ends_on": term.ends_on,
        "notice_period_days": term.notice_period_days,
        "auto_renew": term.auto_renew,
    }


def _contract(row: RowMapping) -> Contract:
    term = Term(
        starts_on=row["starts_on"],
        ends_on=row["ends_on"],
        notice_period_days=row["notice_period_days"],
        auto_renew=row["auto_renew"],
    )
    return Contract(
        account_id=row["account_id"],
        contract_id=row["contract_id"],
        term=term,
        seats=row["seats"],
        amount=Money(row["amount_minor"], row["currency"]),
        signed_at=row["signed_at"],
        version=row["version"],
    )
