"""The in-app inbox of each person."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.notifications.domain.delivery import Delivery
from services.notifications.domain.message import Message
from services.notifications.storage.messages import COLUMNS as MESSAGE
from services.notifications.storage.messages import message_of
from shared.db.transaction import Transaction

_COLUMNS = f"""i.id, i.recipient, i.seq, i.created_at, i.read_at,
COALESCE(a.name, i.account_id) AS account_name, {MESSAGE}"""
_FROM = """inbox_items i
JOIN messages m ON m.account_id = i.account_id AND m.id = i.message_id
LEFT JOIN accounts a ON a.account_id = i.account_id"""


@dataclass(frozen=True, slots=True)
class Item:
    """A message in somebody's inbox. ``seq`` grows in the order in which items appear there."""

    id: UUID
    recipient: str
    seq: int
    message: Message
    account_name: str
    created_at: datetime
    read_at: datetime | None


async def lock(tx: Transaction, recipients: Sequence[str]) -> None:
    """Make the order of `seq` in these inboxes the order of commits.

    Ids are given out before commits happen: without it, a live stream that remembers the last
    one it saw would skip an item that was numbered earlier and committed later.
    """
    for recipient in sorted(set(recipients)):
        name = f"inbox {tx.service} {recipient}".encode()
        key = int.from_bytes(hashlib.sha256(name).digest()[:8], "big", signed=True)
        await tx.execute("SELECT pg_advisory_xact_lock(:key)", key=key)


async def add(tx: Transaction, delivery: Delivery) -> None:
    """Put a delivery's message into its recipient's inbox, unless it is there; after `lock`."""
    await tx.execute(
        "INSERT INTO inbox_items (account_id, id, message_id, recipient, created_at) "
        "VALUES (:account_id, :id, :message_id, :recipient, :now) ON CONFLICT DO NOTHING",
        account_id=delivery.account_id,
        id=delivery.id,
        message_id=delivery.message_id,
        recipient=delivery.recipient,
        now=tx.now,
    )


async def listed(
    tx: Transaction, recipient: str, *, unread: bool, before: int | None, limit: int
) -> Sequence[Item]:
    """Return an inbox, newest first."""
    only_unread = "AND i.read_at IS NULL" if unread else ""
    rows = await tx.fetch_all(
        f"SELECT {_COLUMNS} FROM {_FROM} WHERE i.recipient = :recipient {only_unread} "
        "AND (CAST(:before AS bigint) IS NULL OR i.seq < :before) "
        "ORDER BY i.seq DESC LIMIT :limit",
        recipient=recipient,
        before=before,
        limit=limit,
    )
    return [_item(row) for row in rows]


async def newer(tx: Transaction, seen: Mapping[str, int], limit: int) -> Sequence[Item]:
    """Return what came to each inbox after the last item seen, oldest first, up to a limit each."""
    rows = await tx.fetch_all(
        f"SELECT {_COLUMNS} FROM unnest(CAST(:recipients AS text[]), CAST(:after AS bigint[])) "
        "AS w(recipient, after) CROSS JOIN LATERAL (SELECT * FROM inbox_items n "
        'WHERE n.recipient = w.recipient COLLATE "C" AND n.seq > w.after '
        "ORDER BY n.seq LIMIT :limit) i "
        "JOIN messages m ON m.account_id = i.account_id AND m.id = i.message_id "
        "LEFT JOIN accounts a ON a.account_id = i.account_id ORDER BY i.seq",
        recipients=list(seen),
        after=list(seen.values()),
        limit=limit,
    )
    return [_item(row) for row in rows]


async def last_seq(tx: Transaction, recipient: str) -> int:
    """Return the number of the newest item of an inbox, 0 for an empty one."""
    return int(
        await tx.fetch_value(
            "SELECT COALESCE(max(seq), 0) FROM inbox_items WHERE recipient = :recipient",
            recipient=recipient,
        )
    )


async def mark(tx: Transaction, item_id: UUID, *, read: bool) -> bool:
    """Mark an item read, keeping when it was first, or unread; False when there is none."""
    value = "COALESCE(read_at, :now)" if read else "NULL"
    params: dict[str, Any] = {"now": tx.now} if read else {}
    touched = await tx.execute(
        f"UPDATE inbox_items SET read_at = {value} WHERE id = :id", id=item_id, **params
    )
    return touched == 1


async def by_id(tx: Transaction, item_id: UUID) -> Item | None:
    """Return an item."""
    row = await tx.fetch_one(f"SELECT {_COLUMNS} FROM {_FROM} WHERE i.id = :id", id=item_id)
    return _item(row) if row else None


def _item(row: Mapping[Any, Any]) -> Item:
    return Item(
        id=row["id"],
        recipient=row["recipient"],
        seq=row["seq"],
        message=message_of(row),
        account_name=row["account_name"],
        created_at=row["created_at"],
        read_at=row["read_at"],
    )
