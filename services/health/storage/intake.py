"""What could not be counted: rejected events, and events nobody knows the account of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import RowMapping

from shared.db.transaction import Transaction


class Rejection(NamedTuple):
    """An event that was refused, as it was sent, and what its sender should do."""

    source: str
    event_id: str | None
    code: str
    message: str
    raw: str
    received_at: datetime


async def add_rejections(tx: Transaction, rejections: Sequence[Rejection]) -> None:
    """Keep rejections; the same event refused again is one rejection."""
    await tx.execute_many(
        "INSERT INTO rejections (source, event_id, code, message, raw, received_at) "
        "VALUES (:source, :event_id, :code, :message, :raw, :received_at) ON CONFLICT DO NOTHING",
        [rejection._asdict() for rejection in rejections],
    )


async def rejections(
    tx: Transaction, *, before: int | None, limit: int, source: str | None
) -> Sequence[RowMapping]:
    """Return rejections, newest first."""
    return await tx.fetch_all(
        "SELECT * FROM rejections WHERE (CAST(:before AS bigint) IS NULL OR id < :before) "
        "AND (CAST(:source AS text) IS NULL OR source = :source) ORDER BY id DESC LIMIT :limit",
        before=before,
        limit=limit,
        source=source,
    )


async def add_unattributed(
    tx: Transaction, source: str, event_id: str, user_id: str | None, event: dict[str, Any]
) -> None:
    """Keep an event whose account is not known."""
    await tx.execute(
        "INSERT INTO unattributed (source, event_id, user_id, event, received_at) "
        "VALUES (:source, :event_id, :user_id, :event, :now) ON CONFLICT DO NOTHING",
        source=source,
        event_id=event_id,
        user_id=user_id,
        event=event,
        now=tx.now,
    )


async def unattributed(
    tx: Transaction, *, before: int | None, limit: int, user_id: str | None = None
) -> Sequence[RowMapping]:
    """Return events without an account, newest first."""
    return await tx.fetch_all(
        "SELECT * FROM unattributed WHERE (CAST(:before AS bigint) IS NULL OR id < :before) "
        "AND (CAST(:user_id AS text) IS NULL OR user_id = :user_id) ORDER BY id DESC LIMIT :limit",
        before=before,
        limit=limit,
        user_id=user_id,
    )


async def remove_unattributed(tx: Transaction, ids: Sequence[int]) -> None:
    """Forget events that now have an account."""
    await tx.execute(
        "DELETE FROM unattributed WHERE id = ANY(CAST(:ids AS bigint[]))", ids=list(ids)
    )


async def join(tx: Transaction, account_id: str, user_id: str) -> None:
    """Remember that a user belongs to an account."""
    await tx.execute(
        "INSERT INTO memberships (account_id, user_id, since) VALUES (:account_id, :user_id, :now) "
        "ON CONFLICT DO NOTHING",
        account_id=account_id,
        user_id=user_id,
        now=tx.now,
    )


async def only_accounts(tx: Transaction, user_ids: Sequence[str]) -> dict[str, str]:
    """Return the account of each user who belongs to exactly one."""
    rows = await tx.fetch_all(
        "SELECT user_id, min(account_id) AS account_id FROM memberships "
        "WHERE user_id = ANY(CAST(:user_ids AS text[])) GROUP BY user_id HAVING count(*) = 1",
        user_ids=list(user_ids),
    )
    return {row["user_id"]: row["account_id"] for row in rows}
