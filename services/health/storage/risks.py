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
    return (await latest_of(tx, [account_id])).get(account_id, {})


async def save(tx: Transaction, risk_id: UUID, risk: Risk) -> None:
    """Keep a risk as it is now."""
    await save_all(tx, [(risk_id, risk)])


async def with_unsettled(tx: Transaction, account_ids: Sequence[str]) -> set[str]:
    """Return those of the accounts that have an open or suspected risk."""
    rows = await tx.fetch_all(
        "SELECT DISTINCT account_id FROM risks WHERE status IN ('open', 'suspected') "
        "AND account_id = ANY(CAST(:account_ids AS text[]))",
        account_ids=list(account_ids),
    )
    return {row["account_id"] for row in rows}


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


async def latest_of(
    tx: Transaction, account_ids: Sequence[str]
) -> Mapping[str, Mapping[str, tuple[UUID, Risk]]]:
    """Return the newest risk of each reason of accounts, and lock the accounts' risks in order."""
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtext('risks'), hashtext(a)) FROM "
        "(SELECT a FROM unnest(CAST(:account_ids AS text[])) AS a ORDER BY a) AS s",
        account_ids=list(account_ids),
    )
    rows = await tx.fetch_all(
        "SELECT DISTINCT ON (account_id, reason) account_id, id, reason, risk FROM risks "
        "WHERE account_id = ANY(CAST(:account_ids AS text[])) "
        "ORDER BY account_id, reason, changed_at DESC, id DESC",
        account_ids=list(account_ids),
    )
    found: dict[str, dict[str, tuple[UUID, Risk]]] = {}
    for row in rows:
        known = found.setdefault(row["account_id"], {})
        known[row["reason"]] = (row["id"], msgspec.convert(row["risk"], Risk))
    return found


async def save_all(tx: Transaction, risks: Sequence[tuple[UUID, Risk]]) -> None:
    """Keep risks as they are now."""
    await tx.execute(
        "INSERT INTO risks (account_id, id, reason, status, risk, opened_at, changed_at) "
        "SELECT account_id, id, reason, status, risk::jsonb, opened_at, :now FROM unnest("
        "CAST(:account_ids AS text[]), CAST(:ids AS uuid[]), CAST(:reasons AS text[]), "
        "CAST(:statuses AS text[]), CAST(:risks AS text[]), CAST(:opened AS timestamptz[])) "
        "AS e(account_id, id, reason, status, risk, opened_at) "
        "ON CONFLICT (account_id, id) DO UPDATE SET status = EXCLUDED.status, "
        "risk = EXCLUDED.risk, opened_at = EXCLUDED.opened_at, changed_at = EXCLUDED.changed_at",
        now=tx.now,
        account_ids=[risk.account_id for _, risk in risks],
        ids=[risk_id for risk_id, _ in risks],
        reasons=[str(risk.reason) for _, risk in risks],
        statuses=[risk.status.value for _, risk in risks],
        risks=[msgspec.json.encode(risk).decode() for _, risk in risks],
        opened=[risk.opened_at or risk.confirmed_at for _, risk in risks],
    )
