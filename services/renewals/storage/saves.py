"""Saves."""

from uuid import UUID

import msgspec
from sqlalchemy import RowMapping

from services.renewals.domain.renewal import Renewal
from services.renewals.domain.save import Save, SaveReason
from shared.db.transaction import Transaction

_SELECT = (
    "SELECT account_id, save_id, renewal_id, opened_at, reasons, closed_at, outcome FROM saves"
)


async def open_save(tx: Transaction, renewal: Renewal) -> Save | None:
    """Return the open save of a renewal."""
    row = await tx.fetch_one(
        f"{_SELECT} WHERE account_id = :account_id AND renewal_id = :renewal_id "
        "AND closed_at IS NULL",
        account_id=renewal.account_id,
        renewal_id=renewal.renewal_id,
    )
    return _save(row) if row else None


async def saves(
    tx: Transaction,
    *,
    account_id: str | None,
    is_open: bool | None,
    before: UUID | None,
    limit: int,
) -> list[Save]:
    """Return saves, newest first: of one account or all, open, closed or both.

    ``before``: the id to continue after.
    """
    # Only the conditions that are asked for, so that each question has a plan of its own.
    wanted = {"account_id = :account_id": account_id, "save_id < :before": before}
    where = [clause for clause, value in wanted.items() if value is not None]
    if is_open is not None:
        where.append("closed_at IS NULL" if is_open else "closed_at IS NOT NULL")
    rows = await tx.fetch_all(
        f"{_SELECT} WHERE {' AND '.join(where) or 'TRUE'} ORDER BY save_id DESC LIMIT :limit",
        **{"account_id": account_id} if account_id is not None else {},
        **{"before": before} if before is not None else {},
        limit=limit,
    )
    return [_save(row) for row in rows]


async def keep_save(tx: Transaction, save: Save) -> None:
    """Store a save as it now is."""
    await tx.execute(
        "INSERT INTO saves (account_id, save_id, renewal_id, opened_at, reasons, closed_at, "
        "outcome) VALUES (:account_id, :save_id, :renewal_id, :opened_at, "
        "CAST(:reasons AS jsonb), :closed_at, :outcome) "
        "ON CONFLICT (account_id, save_id) DO UPDATE SET reasons = EXCLUDED.reasons, "
        "closed_at = EXCLUDED.closed_at, outcome = EXCLUDED.outcome",
        account_id=save.account_id,
        save_id=save.save_id,
        renewal_id=save.renewal_id,
        opened_at=save.opened_at,
        reasons=list(save.reasons),
        closed_at=save.closed_at,
        outcome=save.outcome,
    )
    await tx.execute(
        "UPDATE renewals SET at_risk = :at_risk WHERE account_id = :account_id "
        "AND renewal_id = :renewal_id AND at_risk <> :at_risk",
        at_risk=save.closed_at is None,
        account_id=save.account_id,
        renewal_id=save.renewal_id,
    )


def _save(row: RowMapping) -> Save:
    reasons = msgspec.convert(row["reasons"], tuple[SaveReason, ...])
    return Save(**{**row, "reasons": reasons})
