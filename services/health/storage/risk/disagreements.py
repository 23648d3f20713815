"""Disagreements between people and figures."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import RowMapping

from shared.db.transaction import Transaction


class Disagreement(NamedTuple):
    """A disagreement as it was found; `subject` is ``score`` or ``risk:<id>``."""

    id: UUID
    account_id: str
    subject: str
    believed: str
    computed: str
    explanation: str
    by: str


class Resolution(NamedTuple):
    """Who settled a disagreement, and how, in their words."""

    by: str
    note: str


async def open_of(tx: Transaction, account_id: str) -> Sequence[RowMapping]:
    """Return the open disagreements of an account."""
    return await tx.fetch_all(
        "SELECT * FROM disagreements WHERE account_id = :account_id AND status = 'open' "
        "ORDER BY opened_at, id",
        account_id=account_id,
    )


async def find(tx: Transaction, disagreement_id: UUID) -> RowMapping | None:
    """Return a disagreement, locked."""
    return await tx.fetch_one(
        "SELECT * FROM disagreements WHERE id = :id FOR UPDATE", id=disagreement_id
    )


async def add(tx: Transaction, found: Disagreement) -> bool:
    """Keep a disagreement; False when one about the same is open already."""
    added = await tx.execute(
        "INSERT INTO disagreements (id, account_id, subject, status, believed, computed, "
        "explanation, by, opened_at) VALUES (:id, :account_id, :subject, 'open', :believed, "
        ":computed, :explanation, :by, :now) ON CONFLICT DO NOTHING",
        now=tx.now,
        **found._asdict(),
    )
    return added == 1


async def resolve(tx: Transaction, disagreement_id: UUID, resolution: Resolution) -> bool:
    """Settle a disagreement; False when it is settled already."""
    settled = await tx.execute(
        "UPDATE disagreements SET status = 'resolved', resolved_at = :now, resolved_by = :by, "
        "resolution = :note WHERE id = :id AND status = 'open'",
        id=disagreement_id,
        now=tx.now,
        **resolution._asdict(),
    )
    return settled == 1


async def listed(
    tx: Transaction,
    *,
    filters: tuple[str | None, str | None],
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Return disagreements, newest first; ``filters`` are (status, account id)."""
    return await tx.fetch_all(
        "SELECT * FROM disagreements WHERE (CAST(:status AS text) IS NULL OR status = :status) "
        "AND (CAST(:account_id AS text) IS NULL OR account_id = :account_id) "
        "AND (CAST(:at AS timestamptz) IS NULL OR (opened_at, id) < (:at, CAST(:id AS uuid))) "
        "ORDER BY opened_at DESC, id DESC LIMIT :limit",
        status=filters[0],
        account_id=filters[1],
        at=before[0] if before else None,
        id=before[1] if before else None,
        limit=limit,
    )
