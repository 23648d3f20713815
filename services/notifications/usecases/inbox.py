"""The inbox: marking what was read."""

from uuid import UUID

from services.notifications.storage import inbox
from services.notifications.storage.inbox import Item
from shared.db.transaction import Transaction
from shared.kernel.errors import NotFound


class InboxItemNotFound(NotFound):
    """There is no such inbox item."""


async def mark(tx: Transaction, item_id: UUID, *, read: bool) -> Item:
    """Mark an item read or unread; doing so twice changes nothing. Raises `InboxItemNotFound`."""
    await inbox.mark(tx, item_id, read=read)
    item = await inbox.by_id(tx, item_id)
    if item is None:
        raise InboxItemNotFound
    return item
