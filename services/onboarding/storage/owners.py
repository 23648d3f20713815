"""Owners as rows: one open row a role, closed ones are the history."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import RowMapping

from services.onboarding.domain.owner import Owner, OwnerRole
from shared.db.transaction import Transaction


async def current(tx: Transaction, account_id: str, role: OwnerRole) -> Owner | None:
    """Return who holds a role now, or None."""
    row = await tx.fetch_one(
        "SELECT * FROM owners WHERE account_id = :account_id AND role = :role AND valid_to IS NULL",
        account_id=account_id,
        role=role,
    )
    return _owner(row) if row else None


async def all_current(tx: Transaction, account_id: str) -> dict[OwnerRole, Owner]:
    """Return who holds each role now."""
    rows = await tx.fetch_all(
        "SELECT * FROM owners WHERE account_id = :account_id AND valid_to IS NULL",
        account_id=account_id,
    )
    return {owner.role: owner for owner in map(_owner, rows)}


async def listed(
    tx: Transaction, account_id: str, *, with_history: bool, after: str | None, limit: int
) -> Sequence[Owner]:
    """Return owners, oldest first, after one; those of the past too if asked for."""
    rows = await tx.fetch_all(
        "SELECT * FROM owners WHERE account_id = :account_id "
        "AND (:with_history OR valid_to IS NULL) "
        "AND (CAST(:after AS text) IS NULL OR owner_id > :after) "
        "ORDER BY owner_id LIMIT :limit",
        account_id=account_id,
        with_history=with_history,
        after=after,
        limit=limit,
    )
    return [_owner(row) for row in rows]


async def add(tx: Transaction, owner: Owner) -> None:
    """Keep a new owner."""
    await tx.execute(
        "INSERT INTO owners (account_id, owner_id, role, name, email, valid_from) "
        "VALUES (:account_id, :owner_id, :role, :name, :email, :valid_from)",
        account_id=owner.account_id,
        owner_id=owner.id,
        role=owner.role,
        name=owner.name,
        email=owner.email,
        valid_from=owner.valid_from,
    )


async def close(tx: Transaction, owner: Owner, at: datetime) -> None:
    """Note when a person stopped holding a role."""
    await tx.execute(
        "UPDATE owners SET valid_to = :at WHERE account_id = :account_id AND owner_id = :owner_id",
        account_id=owner.account_id,
        owner_id=owner.id,
        at=at,
    )


def _owner(row: RowMapping) -> Owner:
    return Owner(
        account_id=row["account_id"],
        id=row["owner_id"],
        role=OwnerRole(row["role"]),
        name=row["name"],
        email=row["email"],
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
    )
