"""What could not be counted, listed; and the call that says whose it is."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field

from services.health.storage import intake
from services.health.usecases.intake import attribute
from shared.bus.producer import RateLimited, Unavailable
from shared.db.transaction import Row
from shared.web.deps import Tx, authorize
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import api_router

router = api_router("/api/v1", tags=["intake"])


class RejectionView(BaseModel):
    """An event that was refused, as it was sent, and what to do about it."""

    id: int
    source: str
    event_id: str | None
    code: str
    message: str
    raw: str
    received_at: datetime


class UnattributedView(BaseModel):
    """An event that waits for somebody to say whose it is."""

    id: int
    source: str
    event_id: str
    user_id: str | None
    event: dict[str, Any]
    received_at: datetime


class Attribution(BaseModel):
    """Says which account a user belongs to."""

    model_config = ConfigDict(extra="forbid")

    user_id: str = Field(min_length=1, max_length=256)
    account_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$")


class Attributed(BaseModel):
    """How many waiting events were sent on to be counted."""

    events: int


@router.get(
    "/rejections", dependencies=[authorize("health:read")], responses=responses(InvalidCursor)
)
async def list_rejections(
    tx: Tx, page: PageQuery, source: Annotated[str | None, Query()] = None
) -> Page[RejectionView]:
    """List the events that were refused, newest first."""
    after = page.after(id=int)
    rows = await intake.rejections(
        tx, before=after["id"] if after else None, limit=page.fetch, source=source
    )
    return page.page(rows, item=_rejection, key=lambda row: {"id": row["id"]})


@router.get(
    "/unattributed", dependencies=[authorize("health:read")], responses=responses(InvalidCursor)
)
async def list_unattributed(tx: Tx, page: PageQuery) -> Page[UnattributedView]:
    """List the events whose account is not known, newest first."""
    after = page.after(id=int)
    rows = await intake.unattributed(tx, before=after["id"] if after else None, limit=page.fetch)
    return page.page(rows, item=_unattributed, key=lambda row: {"id": row["id"]})


@router.post(
    "/unattributed/attribute",
    dependencies=[authorize("health:write")],
    responses=responses(RateLimited, Unavailable),
)
async def attribute_user(body: Attribution, tx: Tx, request: Request) -> Attributed:
    """Say which account a user belongs to; its waiting events are counted for it."""
    events = await attribute(tx, request.app.state.producer, body.user_id, body.account_id)
    return Attributed(events=events)


def _rejection(row: Row) -> RejectionView:
    return RejectionView.model_validate(dict(row))


def _unattributed(row: Row) -> UnattributedView:
    return UnattributedView.model_validate(dict(row))
