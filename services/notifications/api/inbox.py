"""The inbox over HTTP."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from services.notifications.domain.kinds import MessageKind
from services.notifications.domain.person import InvalidEmail, checked_email
from services.notifications.domain.severity import Severity
from services.notifications.storage import inbox as storage
from services.notifications.storage.inbox import Item
from services.notifications.usecases import inbox as usecases
from services.notifications.usecases.inbox import InboxItemNotFound
from shared.web.deps import Tx, authorize
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import api_router

router = api_router("/api/v1/inbox", tags=["inbox"])
_READ, _WRITE = [authorize("notifications:read")], [authorize("notifications:write")]


async def recipient_of(
    recipient: Annotated[
        str,
        Query(max_length=254, description="Whose inbox: an e-mail address."),
    ],
) -> str:
    """Return whose inbox is meant. Raises `InvalidEmail`."""
    return checked_email(recipient)


RecipientQuery = Annotated[str, Depends(recipient_of)]


class AccountView(BaseModel):
    """The account a message is about; its id stands for a name that is not known yet."""

    id: str
    name: str


class InboxItem(BaseModel):
    """A message: what happened, why, and what to do."""

    id: UUID
    message_id: UUID
    recipient: str
    account: AccountView
    kind: MessageKind
    reason: str
    severity: Severity
    title: str
    explanation: str
    next_step: str
    subject: str
    happened_at: datetime = Field(description="When the cause reached the platform.")
    created_at: datetime = Field(description="When it came to this inbox.")
    read_at: datetime | None
    links: Mapping[str, str] = Field(description="API paths where to read on.")

    @classmethod
    def of(cls, item: Item) -> Self:
        """Return an item as it is shown."""
        notice = item.message.notice
        return cls(
            id=item.id,
            message_id=item.message.id,
            recipient=item.recipient,
            account=AccountView(id=notice.account_id, name=item.account_name),
            kind=notice.kind,
            reason=notice.reason,
            severity=notice.severity,
            title=notice.title,
            explanation=notice.explanation,
            next_step=notice.next_step,
            subject=notice.subject,
            happened_at=notice.happened_at,
            created_at=item.created_at,
            read_at=item.read_at,
            links=item.message.links,
        )


@router.get("", dependencies=_READ, responses=responses(InvalidCursor, InvalidEmail))
async def list_inbox(
    tx: Tx,
    recipient: RecipientQuery,
    page: PageQuery,
    *,
    unread: Annotated[bool, Query(description="Only what was not read.")] = False,
) -> Page[InboxItem]:
    """List somebody's inbox, newest first."""
    after: Any = page.after(seq=int) or {}
    rows = await storage.listed(
        tx, recipient, unread=unread, before=after.get("seq"), limit=page.fetch
    )
    return page.page(rows, item=InboxItem.of, key=lambda row: {"seq": row.seq})


@router.post("/{item_id}/read", dependencies=_WRITE, responses=responses(InboxItemNotFound))
async def mark_read(tx: Tx, item_id: UUID) -> InboxItem:
    """Mark an item read; the first time counts."""
    return InboxItem.of(await usecases.mark(tx, item_id, read=True))


@router.post("/{item_id}/unread", dependencies=_WRITE, responses=responses(InboxItemNotFound))
async def mark_unread(tx: Tx, item_id: UUID) -> InboxItem:
    """Mark an item unread."""
    return InboxItem.of(await usecases.mark(tx, item_id, read=False))
