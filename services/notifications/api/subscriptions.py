"""Subscriptions over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.notifications.domain.endpoint import EndpointNotFound
from services.notifications.domain.kinds import UnknownEvent
from services.notifications.domain.person import InvalidEmail, Person, Role
from services.notifications.domain.severity import Severity
from services.notifications.domain.subscription import (
    Channel,
    ChannelMismatch,
    Filter,
    Recipient,
    Subscription,
    SubscriptionNotFound,
)
from services.notifications.storage import subscriptions as storage
from services.notifications.usecases import subscriptions as usecases
from services.notifications.usecases.subscriptions import SubscriptionOrder
from shared.kernel.ids import ACCOUNT_ID
from shared.web.deps import Tx, authorize
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import api_router

router = api_router("/api/v1/subscriptions", tags=["subscriptions"])
_READ, _WRITE = [authorize("notifications:read")], [authorize("notifications:write")]

AccountId = Annotated[str, Field(pattern=f"^{ACCOUNT_ID.pattern}$", examples=["acme"])]
EventPattern = Annotated[str, Field(min_length=1, max_length=100, examples=["risk.*"])]


class RecipientBody(BaseModel):
    """Exactly one of: whoever holds a role on the account, a person, a webhook endpoint."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = Field(default=None, examples=["csm"])
    email: str | None = Field(default=None, min_length=3, max_length=254)
    name: str | None = Field(
        default=None, min_length=1, max_length=200, description="Only with `email`."
    )
    webhook_endpoint_id: UUID | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        named = [each for each in (self.role, self.email, self.webhook_endpoint_id) if each]
        if len(named) != 1 or (self.name is not None and self.email is None):
            raise ValueError("Name one of role, email (with name) and webhook_endpoint_id")
        return self

    def recipient(self) -> Recipient:
        """Return who is meant."""
        if self.email is not None:
            return Person(self.email, self.name or "")
        recipient = self.role or self.webhook_endpoint_id
        if recipient is None:  # the validator let nothing else through
            raise TypeError
        return recipient

    @classmethod
    def of(cls, recipient: Recipient) -> Self:
        """Return a recipient as it is shown."""
        if isinstance(recipient, Role):
            return cls(role=recipient)
        if isinstance(recipient, Person):
            return cls(email=recipient.email, name=recipient.name or None)
        return cls(webhook_endpoint_id=recipient)


class FilterBody(BaseModel):
    """Which of the events are wanted; what is left out does not restrict."""

    model_config = ConfigDict(extra="forbid")

    segment: str | None = Field(default=None, min_length=1, max_length=64, examples=["enterprise"])
    min_severity: Severity | None = Field(default=None, examples=["high"])
    account_ids: list[AccountId] = Field(default_factory=list, max_length=200)


class SubscriptionBody(BaseModel):
    """Who wants to hear of what, by which channels."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "recipient": {"email": "ana@vendor.example", "name": "Ana"},
                    "channels": ["inbox", "email"],
                    "events": ["risk.*"],
                    "filter": {"segment": "enterprise", "min_severity": "high"},
                }
            ]
        },
    )

    recipient: RecipientBody
    channels: list[Channel] = Field(min_length=1, max_length=3)
    events: list[EventPattern] = Field(
        min_length=1, max_length=50, description="`risk.opened`, `risk.*`, `*` or an event type."
    )
    filter: FilterBody = Field(default_factory=FilterBody)

    def order(self) -> SubscriptionOrder:
        """Return what is asked for."""
        wanted = Filter(
            self.filter.segment, self.filter.min_severity, tuple(self.filter.account_ids)
        )
        return SubscriptionOrder(self.recipient.recipient(), self.channels, self.events, wanted)


class SubscriptionView(BaseModel):
    """A subscription."""

    id: UUID
    recipient: RecipientBody
    channels: list[Channel]
    events: list[str]
    filter: FilterBody
    created_at: datetime

    @classmethod
    def of(cls, subscription: Subscription) -> Self:
        """Return a subscription as it is shown."""
        wanted = subscription.filter
        return cls(
            id=subscription.id,
            recipient=RecipientBody.of(subscription.recipient),
            channels=list(subscription.channels),
            events=list(subscription.events),
            filter=FilterBody(
                segment=wanted.segment,
                min_severity=wanted.min_severity,
                account_ids=list(wanted.account_ids),
            ),
            created_at=subscription.created_at,
        )


@router.post(
    "",
    status_code=201,
    dependencies=_WRITE,
    responses=responses(UnknownEvent, ChannelMismatch, InvalidEmail, EndpointNotFound),
)
async def create_subscription(
    tx: Tx, body: SubscriptionBody, response: Response
) -> SubscriptionView:
    """Subscribe somebody to events, beside what the built-in rules send."""
    made = await usecases.subscribe(tx, body.order())
    response.headers["Location"] = f"/api/v1/subscriptions/{made.id}"
    return SubscriptionView.of(made)


@router.get("", dependencies=_READ, responses=responses(InvalidCursor))
async def list_subscriptions(tx: Tx, page: PageQuery) -> Page[SubscriptionView]:
    """List subscriptions, newest first."""
    after: Any = page.after(id=UUID) or {}
    rows = await storage.listed(tx, before=after.get("id"), limit=page.fetch)
    return page.page(rows, item=SubscriptionView.of, key=lambda row: {"id": row.id})


@router.get("/{subscription_id}", dependencies=_READ, responses=responses(SubscriptionNotFound))
async def get_subscription(tx: Tx, subscription_id: UUID) -> SubscriptionView:
    """Show a subscription."""
    found = await storage.by_id(tx, subscription_id)
    if found is None:
        raise SubscriptionNotFound
    return SubscriptionView.of(found)


@router.delete(
    "/{subscription_id}",
    status_code=204,
    dependencies=_WRITE,
    responses=responses(SubscriptionNotFound),
)
async def delete_subscription(tx: Tx, subscription_id: UUID) -> None:
    """End a subscription."""
    await usecases.unsubscribe(tx, subscription_id)
