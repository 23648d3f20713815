"""Disagreements: where people and figures are too far apart."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from services.health.api.shapes import Reader, Reason, Writer
from services.health.storage.risk import disagreements
from services.health.storage.risk.disagreements import Resolution
from services.health.usecases.risk.disagreements import (
    DisagreementNotFound,
    DisagreementResolvedAlready,
    resolve_disagreement,
)
from shared.db.transaction import Row
from shared.web.deps import Tx
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import api_router

router = api_router("/api/v1", tags=["disagreements"])


class DisagreementStatus(StrEnum):
    """Whether it is settled."""

    OPEN = "open"
    RESOLVED = "resolved"


class DisagreementView(BaseModel):
    """What a person believes against what was computed."""

    id: UUID
    account_id: str
    subject: str = Field(description="`score`, or `risk:<id>`.")
    status: DisagreementStatus
    believed: str = Field(description="A band, or `no_risk`.")
    computed: str = Field(description="A band, or the severity of the risk.")
    explanation: str
    by: str
    opened_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None


@router.get("/disagreements", responses=responses(InvalidCursor))
async def list_disagreements(
    _who: Reader,
    tx: Tx,
    paging: PageQuery,
    status: Annotated[DisagreementStatus | None, Query()] = None,
    account_id: Annotated[str | None, Query(max_length=128)] = None,
) -> Page[DisagreementView]:
    """List disagreements, newest first."""
    after = paging.after(opened_at=datetime, id=UUID)
    rows = await disagreements.listed(
        tx,
        filters=(status.value if status else None, account_id),
        before=(after["opened_at"], after["id"]) if after else None,
        limit=paging.fetch,
    )
    return paging.page(
        rows, item=_view, key=lambda row: {"opened_at": row["opened_at"], "id": row["id"]}
    )


@router.post(
    "/disagreements/{disagreement_id}/resolve",
    responses=responses(DisagreementNotFound, DisagreementResolvedAlready),
)
async def resolve(disagreement_id: UUID, body: Reason, who: Writer, tx: Tx) -> DisagreementView:
    """Settle a disagreement, and say how: who was right, and what was learned."""
    resolution = Resolution(body.words(who).by, body.reason)
    return _view(await resolve_disagreement(tx, disagreement_id, resolution))


def _view(row: Row) -> DisagreementView:
    return DisagreementView(**{name: row[name] for name in DisagreementView.model_fields})
