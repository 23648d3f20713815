"""Risks: what is wrong, since when, why, and what to do."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import Query
from pydantic import BaseModel

from services.health.domain.profile.book import ProfileBook
from services.health.domain.risk.risk import Risk
from services.health.storage import risks
from services.health.usecases.profiles import PROFILES
from services.health.usecases.risks import title_of
from shared.auth.principal import Principal
from shared.db.transaction import Row
from shared.web.deps import Tx, authorize
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import api_router

router = api_router("/api/v1", tags=["risks"])
Reader = Annotated[Principal, authorize("health:read")]


class RiskStatus(StrEnum):
    """Where a risk is in its life."""

    OPEN = "open"
    RECOVERED = "recovered"


class RiskView(BaseModel):
    """A risk as people read it."""

    id: UUID
    account_id: str
    reason: str
    title: str
    severity: str
    status: RiskStatus
    explanation: str
    next_step: str
    evidence: Mapping[str, float | str]
    opened_at: datetime
    last_seen_at: datetime
    recovered_at: datetime | None


@router.get("/risks", responses=responses(InvalidCursor))
async def list_risks(
    _who: Reader,
    tx: Tx,
    paging: PageQuery,
    status: Annotated[RiskStatus | None, Query()] = None,
    account_id: Annotated[str | None, Query(max_length=128)] = None,
) -> Page[RiskView]:
    """List risks, newest first."""
    after = paging.after(opened_at=datetime, id=UUID)
    rows = await risks.listed(
        tx,
        account_id=account_id,
        status=status.value if status else None,
        before=(after["opened_at"], after["id"]) if after else None,
        limit=paging.fetch,
    )
    book = await PROFILES.current(tx)
    return paging.page(
        rows,
        item=partial(_risk, book),
        key=lambda row: {"opened_at": row["opened_at"], "id": row["id"]},
    )


def _risk(book: ProfileBook, row: Row) -> RiskView:
    risk = msgspec.convert(row["risk"], Risk)
    return RiskView(
        id=row["id"],
        account_id=row["account_id"],
        reason=str(risk.reason),
        title=title_of(str(risk.reason), book),
        severity=risk.severity.name.lower(),
        status=RiskStatus(row["status"]),
        explanation=risk.explanation,
        next_step=risk.suggestion,
        evidence=risk.evidence,
        opened_at=row["opened_at"],
        last_seen_at=risk.last_seen_at,
        recovered_at=risk.recovered_at,
    )
