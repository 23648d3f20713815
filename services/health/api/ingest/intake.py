"""What could not be counted, listed and counted; and the calls that say whose it is."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.health.api.ingest.reception import packer_of
from services.health.storage.usage import aliases, intake
from services.health.storage.usage.intake import Wanted
from services.health.usecases.usage.intake import attribute_events, attribute_user
from shared.bus.producer import RateLimited, Unavailable
from shared.db.transaction import Row
from shared.web.deps import Tx, authorize
from shared.web.fields import Moment, Whole
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import VerbatimRoute, api_router

router = api_router("/api/v1", tags=["intake"], route_class=VerbatimRoute)
_MOST_EVENTS = 1_000
_RowId = Annotated[Whole, Field(ge=1, lt=2**63)]


class RejectionView(BaseModel):
    """An event that was refused, as it was sent, and what to do about it."""

    id: int
    source: str
    event_id: str | None
    code: str
    message: str
    raw: str
    received_at: datetime


class RejectionCount(BaseModel):
    """How many events of a source were refused for one reason, and when it was last."""

    source: str
    code: str
    events: int
    last_received_at: datetime


class RejectionSummary(BaseModel):
    """Refused events by source and reason, the most frequent first."""

    events: int
    by_code: list[RejectionCount]


class UnattributedView(BaseModel):
    """An event that waits for somebody to say whose it is."""

    id: int
    source: str
    event_id: str
    user_id: str | None
    event: dict[str, Any]
    received_at: datetime


class UnattributedCount(BaseModel):
    """How many events wait, of how many users, and since when."""

    events: int
    users: int
    oldest_at: datetime | None


class AliasView(BaseModel):
    """Two user ids that are one person, as a backend said."""

    id: int
    previous_id: str
    user_id: str
    source: str
    requested_at: datetime


class Attribution(BaseModel):
    """Says which account a user belongs to, or whose the named events are."""

    model_config = ConfigDict(extra="forbid")

    user_id: str | None = Field(default=None, min_length=1, max_length=256)
    events: list[_RowId] | None = Field(
        default=None,
        min_length=1,
        max_length=_MOST_EVENTS,
        description="Ids from the list of unattributed events.",
    )
    account_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$")

    @model_validator(mode="after")
    def _name_one(self) -> "Attribution":
        if (self.user_id is None) == (self.events is None):
            raise ValueError("name either user_id or events")
        return self


class Attributed(BaseModel):
    """How many waiting events were sent on to be counted."""

    events: int


async def _wanted(
    source: Annotated[str | None, Query(max_length=256)] = None,
    code: Annotated[str | None, Query(max_length=64)] = None,
    since: Annotated[Moment | None, Query()] = None,
) -> Wanted:
    return Wanted(source, code, since)


_READ = authorize("health:read")
_WantedQuery = Annotated[Wanted, Depends(_wanted)]
_Source = Annotated[str | None, Query(max_length=256)]
_User = Annotated[str | None, Query(max_length=256)]


@router.get("/rejections", dependencies=[_READ], responses=responses(InvalidCursor))
async def list_rejections(tx: Tx, page: PageQuery, wanted: _WantedQuery) -> Page[RejectionView]:
    """List the events that were refused, newest first."""
    after = page.after(id=int)
    rows = await intake.rejections(
        tx, before=after["id"] if after else None, limit=page.fetch, wanted=wanted
    )
    return page.page(rows, item=_rejection, key=_by_id)


@router.get("/rejections/summary", dependencies=[_READ])
async def summarize_rejections(tx: Tx, wanted: _WantedQuery) -> RejectionSummary:
    """Count the events that were refused, by source and reason."""
    rows = await intake.count_rejections(tx, wanted)
    by_code = [RejectionCount.model_validate(dict(row)) for row in rows]
    return RejectionSummary(events=sum(each.events for each in by_code), by_code=by_code)


@router.get("/unattributed", dependencies=[_READ], responses=responses(InvalidCursor))
async def list_unattributed(
    tx: Tx, page: PageQuery, user_id: _User = None, source: _Source = None
) -> Page[UnattributedView]:
    """List the events whose account is not known, newest first."""
    after = page.after(id=int)
    before = after["id"] if after else None
    rows = await intake.unattributed(
        tx, before=before, limit=page.fetch, user_id=user_id, source=source
    )
    return page.page(rows, item=_unattributed, key=_by_id)


@router.get("/unattributed/summary", dependencies=[_READ])
async def count_unattributed(
    tx: Tx, user_id: _User = None, source: _Source = None
) -> UnattributedCount:
    """Count the events that wait for somebody to say whose they are."""
    found = await intake.count_unattributed(tx, user_id=user_id, source=source)
    return UnattributedCount.model_validate(dict(found))


@router.post(
    "/unattributed/attribute",
    dependencies=[authorize("health:write")],
    responses=responses(RateLimited, Unavailable),
)
async def attribute(body: Attribution, tx: Tx, request: Request) -> Attributed:
    """Say which account a user belongs to, or whose some events are; they are counted for it."""
    packer = packer_of(request)
    if body.user_id is not None:
        events = await attribute_user(tx, packer, body.user_id, body.account_id)
    else:
        events = await attribute_events(tx, packer, body.events or [], body.account_id)
    return Attributed(events=events)


@router.get("/user_aliases", dependencies=[_READ], responses=responses(InvalidCursor))
async def list_user_aliases(tx: Tx, page: PageQuery, user_id: _User = None) -> Page[AliasView]:
    """List the user ids that backends say are one person, newest first."""
    after = page.after(id=int)
    rows = await aliases.listed(
        tx, before=after["id"] if after else None, limit=page.fetch, user_id=user_id
    )
    return page.page(rows, item=_alias, key=_by_id)


def _by_id(row: Row) -> dict[str, Any]:
    return {"id": row["id"]}


def _rejection(row: Row) -> RejectionView:
    return RejectionView.model_validate(dict(row))


def _unattributed(row: Row) -> UnattributedView:
    return UnattributedView.model_validate(dict(row))


def _alias(row: Row) -> AliasView:
    return AliasView.model_validate(dict(row))
