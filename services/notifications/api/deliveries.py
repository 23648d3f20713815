"""The delivery log over HTTP."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Query
from pydantic import Field

from services.notifications.api.subscriptions import AccountId
from services.notifications.domain.delivery import (
    Delivery,
    DeliveryNotFound,
    DeliveryUnderWay,
    NobodyToTell,
    Status,
)
from services.notifications.domain.endpoint import EndpointDisabled, EndpointNotFound
from services.notifications.domain.subscription import Channel
from services.notifications.storage import deliveries as storage
from services.notifications.storage.deliveries import LogQuery
from services.notifications.usecases import deliveries as usecases
from shared.web.deps import Tx, authorize
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import api_router

router = api_router("/api/v1/deliveries", tags=["deliveries"])
_READ, _WRITE = [authorize("notifications:read")], [authorize("notifications:write")]


@dataclass(slots=True)
class DeliveryView:
    """One message on one channel to one recipient. `id` is the webhook-id, and never changes."""

    id: UUID
    account_id: str
    message_id: UUID
    channel: Channel
    recipient: Annotated[
        str,
        Field(
            description="An address, an endpoint's id, or `role:csm` while nobody holds the role."
        ),
    ]
    status: Status
    attempts: int
    next_attempt_at: datetime | None
    last_error: Annotated[str | None, Field(description="Why it is not delivered, or not yet.")]
    response_code: int | None
    created_at: datetime
    delivered_at: datetime | None

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """Return a delivery as it is shown."""
        return cls(
            id=delivery.id,
            account_id=delivery.account_id,
            message_id=delivery.message_id,
            channel=delivery.channel,
            recipient=delivery.recipient,
            status=delivery.status,
            attempts=delivery.attempts,
            next_attempt_at=delivery.next_attempt_at,
            last_error=delivery.last_error,
            response_code=delivery.response_code,
            created_at=delivery.created_at,
            delivered_at=delivery.delivered_at,
        )


@router.get("", dependencies=_READ, responses=responses(InvalidCursor))
async def list_deliveries(
    tx: Tx,
    page: PageQuery,
    account_id: Annotated[AccountId | None, Query()] = None,
    channel: Annotated[Channel | None, Query()] = None,
    status: Annotated[Status | None, Query()] = None,
) -> Page[DeliveryView]:
    """List deliveries, newest first."""
    after: Any = page.after(id=UUID) or {}
    query = LogQuery(account_id, channel, status, after.get("id"), page.fetch)
    rows = await storage.listed(tx, query)
    return page.page(rows, item=DeliveryView.of, key=lambda row: {"id": row.id})


@router.post(
    "/{delivery_id}/replay",
    dependencies=_WRITE,
    responses=responses(
        DeliveryNotFound, DeliveryUnderWay, NobodyToTell, EndpointNotFound, EndpointDisabled
    ),
)
async def replay_delivery(tx: Tx, delivery_id: UUID) -> DeliveryView:
    """Send a delivery that has ended once more, under the same id."""
    return DeliveryView.of(await usecases.replay(tx, delivery_id))
