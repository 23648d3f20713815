"""Pulses: what people think of an account."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import RowMapping

from shared.db.transaction import Transaction


class Pulse(NamedTuple):
    """A person's judgement of an account, 0 to 100, and the band it falls in."""

    account_id: str
    id: UUID
    at: datetime
    value: float
    band: str
    comment: str | None
    by: str


async def add(tx: Transaction, pulse: Pulse) -> None:
    """Keep a pulse; earlier ones stay as history."""
    await tx.execute(
        "INSERT INTO pulses (account_id, id, at, value, band, comment, by) "
        "VALUES (:account_id, :id, :at, :value, :band, :comment, :by)",
        **pulse._asdict(),
    )


async def of_accounts(tx: Transaction, account_ids: Sequence[str]) -> set[str]:
    """Return those of the accounts that somebody ever judged."""
    rows = await tx.fetch_all(
        "SELECT DISTINCT account_id FROM pulses WHERE account_id = ANY(CAST(:ids AS text[]))",
        ids=list(account_ids),
    )
    return {row["account_id"] for row in rows}


async def latest(tx: Transaction, account_id: str) -> Pulse | None:
    """Return the newest pulse of an account."""
    row = await tx.fetch_one(
        "SELECT * FROM pulses WHERE account_id = :account_id ORDER BY id DESC LIMIT 1",
        account_id=account_id,
    )
    return Pulse(**row) if row else None


async def listed(
    tx: Transaction, account_id: str, *, before: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Return the pulses of an account, newest first."""
    return await tx.fetch_all(
        "SELECT * FROM pulses WHERE account_id = :account_id "
        "AND (CAST(:before AS uuid) IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit",
        account_id=account_id,
        before=before,
        limit=limit,
    )
