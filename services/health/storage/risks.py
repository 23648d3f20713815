"""Risks, open and past."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping

from services.health.domain.risk.risk import Risk
from shared.db.transaction import Transaction


async def latest(tx: Transaction, account_id: str) -> Mapping[str, tuple[UUID, Risk]]:
    """Return the newest risk of each reason of an account, and lock the account's risks."""
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtext('risks'), hashtext(:account_id))",
        account_id=account_id,
    )
    rows = await tx.fetch_all(
        "SELECT DISTINCT ON (reason) id, reason, risk FROM risks WHERE account_id = :account_id "
        "ORDER BY reason, changed_at DESC, id DESC",
        account_id=account_id,
    )
    return {row["reason"]: (row["id"], msgspec.convert(row["risk"], Risk)) for row in rows}


async def with_unsettled(tx: Transaction, account_ids: Sequence[str]) -> set[str]:
    """Return those of the accounts that have an open or suspected risk."""
    rows = await tx.fetch_all(
        "SELECT DISTINCT account_id FROM risks WHERE status IN ('open', 'suspected') "
        "AND account_id = ANY(CAST(:account_ids AS text[]))",
        account_ids=list(account_ids),
    )
    return {row["account_id"] for row in rows}


async def save(tx: Transaction, risk_id: UUID, risk: Risk) -> None:
    """Keep a risk as it is now."""
    await tx.execute(
        "INSERT INTO risks (account_id, id, reason, status, risk, opened_at, changed_at) "
        "VALUES (:account_id, :id, :reason, :status, :risk, :opened_at, :now) "
        "ON CONFLICT (account_id, id) DO UPDATE SET status = EXCLUDED.status, "
        "risk = EXCLUDED.risk, opened_at = EXCLUDED.opened_at, changed_at = EXCLUDED.changed_at",
        account_id=risk.account_id,
        id=risk_id,
        reason=risk.reason,
        status=risk.status.value,
        risk=msgspec.to_builtins(risk),
        opened_at=risk.opened_at or risk.confirmed_at,
        now=tx.now,
    )


async def listed(
    tx: Transaction,
    *,
    account_id: str | None,
    status: str | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Return risks that were ever open, newest first."""
    return await tx.fetch_all(
        "SELECT account_id, id, reason, status, risk, opened_at FROM risks "
        "WHERE status <> 'suspected' "
        "AND (CAST(:account_id AS text) IS NULL OR account_id = :account_id) "
        "AND (CAST(:status AS text) IS NULL OR status = :status) "
        "AND (CAST(:at AS timestamptz) IS NULL OR (opened_at, id) < (:at, CAST(:id AS uuid))) "
        "ORDER BY opened_at DESC, id DESC LIMIT :limit",
        account_id=account_id,
        status=status,
        at=before[0] if before else None,
        id=before[1] if before else None,
        limit=limit,
    )
