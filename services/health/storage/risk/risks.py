"""Risks, open and past, and their timelines."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping

from services.health.domain.risk.risk import Risk
from shared.db.transaction import Transaction


class RiskEvent(NamedTuple):
    """Something that happened to a risk: what, by whom, in which words and figures."""

    kind: str
    by: str | None = None
    note: str | None = None
    details: Mapping[str, Any] = MappingProxyType({})


async def lock(tx: Transaction, account_id: str) -> None:
    """Lock the risks of an account until the transaction ends."""
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtext('risks'), hashtext(:account_id))",
        account_id=account_id,
    )


async def latest(tx: Transaction, account_id: str) -> Mapping[str, tuple[UUID, Risk]]:
    """Return the newest risk of each reason of an account, and lock the account's risks."""
    return (await latest_of(tx, [account_id])).get(account_id, {})


async def save(tx: Transaction, risk_id: UUID, risk: Risk) -> None:
    """Keep a risk as it is now."""
    await save_all(tx, [(risk_id, risk)])


async def with_unsettled(tx: Transaction, account_ids: Sequence[str]) -> set[str]:
    """Return those of the accounts that have a risk that is not over."""
    rows = await tx.fetch_all(
        "SELECT DISTINCT account_id FROM risks WHERE status <> 'recovered' "
        "AND account_id = ANY(CAST(:account_ids AS text[]))",
        account_ids=list(account_ids),
    )
    return {row["account_id"] for row in rows}


async def note(tx: Transaction, risk_id: UUID, event: RiskEvent) -> None:
    """Add to the timeline of a risk."""
    await tx.execute(
        "INSERT INTO risk_events (risk_id, at, kind, by, note, details) "
        "VALUES (:risk_id, :now, :kind, :by, :note, :details)",
        risk_id=risk_id,
        now=tx.now,
        kind=event.kind,
        by=event.by,
        note=event.note,
        details=dict(event.details),
    )


async def timeline(tx: Transaction, risk_id: UUID) -> Sequence[RowMapping]:
    """Return what happened to a risk, oldest first: the newest 500."""
    return await tx.fetch_all(
        "SELECT * FROM (SELECT id, at, kind, by, note, details FROM risk_events "
        "WHERE risk_id = :risk_id ORDER BY id DESC LIMIT 500) AS newest ORDER BY id",
        risk_id=risk_id,
    )


async def find(tx: Transaction, risk_id: UUID) -> RowMapping | None:
    """Return the row of a risk that people may see."""
    return await tx.fetch_one(
        "SELECT account_id, id, reason, status, risk, opened_at FROM risks "
        "WHERE id = :id AND status <> 'suspected'",
        id=risk_id,
    )


async def to_change(tx: Transaction, risk_id: UUID) -> tuple[str, Risk] | None:
    """Return the account and the risk, and lock the account's risks."""
    account_id = await tx.fetch_value(
        "SELECT account_id FROM risks WHERE id = :id AND status <> 'suspected'", id=risk_id
    )
    if account_id is None:
        return None
    await lock(tx, account_id)
    row = await tx.fetch_one(
        "SELECT risk FROM risks WHERE account_id = :account_id AND id = :id",
        account_id=account_id,
        id=risk_id,
    )
    return (account_id, msgspec.convert(row["risk"], Risk)) if row else None


async def merged_into(tx: Transaction, account_id: str, risk_id: UUID) -> Sequence[RowMapping]:
    """Return the risks that are told with this one."""
    return await tx.fetch_all(
        "SELECT account_id, id, reason, status, risk, opened_at FROM risks "
        "WHERE account_id = :account_id AND status = 'merged' "
        "AND risk->>'merged_into' = :risk_id ORDER BY reason",
        account_id=account_id,
        risk_id=str(risk_id),
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
    # Only the conditions that are asked for, so that each question has a plan of its own.
    where, params = ["status <> 'suspected'"], dict[str, object]()
    if account_id is not None:
        where.append("account_id = :account_id")
        params["account_id"] = account_id
    if status is not None:
        where.append("status = :status")
        params["status"] = status
    if before is not None:
        where.append("(opened_at, id) < (:at, CAST(:id AS uuid))")
        params |= {"at": before[0], "id": before[1]}
    return await tx.fetch_all(
        "SELECT account_id, id, reason, status, risk, opened_at FROM risks "
        f"WHERE {' AND '.join(where)} ORDER BY opened_at DESC, id DESC LIMIT :limit",
        **params,
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
