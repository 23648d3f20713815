"""When time alone may change something about an account, and it has to be looked at again."""

from collections.abc import Sequence
from datetime import datetime

from shared.db.transaction import Transaction


async def bring_forward(tx: Transaction, account_id: str, at: datetime) -> None:
    """Look at an account at this time, or sooner when that is planned."""
    await tx.execute(
        "INSERT INTO looks AS l (account_id, due_at) VALUES (:account_id, :at) "
        "ON CONFLICT (account_id) DO UPDATE SET due_at = EXCLUDED.due_at "
        "WHERE l.due_at > EXCLUDED.due_at",
        account_id=account_id,
        at=at,
    )


async def due(tx: Transaction, limit: int) -> Sequence[str]:
    """Return accounts whose time has come, the longest overdue first."""
    rows = await tx.fetch_all(
        "SELECT account_id FROM looks WHERE due_at <= :now ORDER BY due_at LIMIT :limit",
        now=tx.now,
        limit=limit,
    )
    return [row["account_id"] for row in rows]


async def take(tx: Transaction, account_id: str) -> bool:
    """Take what is due of an account; return False when another replica has."""
    taken = await tx.execute(
        "DELETE FROM looks WHERE account_id = :account_id AND due_at <= :now",
        account_id=account_id,
        now=tx.now,
    )
    return taken == 1


async def postpone(tx: Transaction, account_id: str, until: datetime) -> None:
    """Look later at an account whose look failed, so that the others have their turn."""
    await tx.execute(
        "UPDATE looks SET due_at = :until WHERE account_id = :account_id AND due_at <= :now",
        account_id=account_id,
        until=until,
        now=tx.now,
    )
