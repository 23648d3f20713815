"""The course of a score, for charts."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from services.health.domain.score.history import (
    Bucket,
    HistoryBackwards,
    HistoryTooLong,
    Resolution,
)
from services.health.domain.score.moments import MomentInFuture, MomentUnclear
from services.health.domain.score.score import Band
from services.health.usecases.accounts import AccountUnknown
from services.health.usecases.score.charting import Span, chart
from shared.auth.principal import Principal
from shared.web.deps import Tx, authorize
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, PageQuery
from shared.web.routing import api_router

router = api_router("/api/v1/accounts", tags=["accounts"])
Reader = Annotated[Principal, authorize("health:read")]


class SpanQuery(BaseModel):
    """From and to: RFC 3339 times, dates, or words such as 7d; to is not included."""

    from_: str | None = Field(default=None, alias="from", max_length=100)
    to: str | None = Field(default=None, max_length=100, description="Default: now.")
    resolution: Resolution = Resolution.DAY


class PointView(BaseModel):
    """A point of the chart: the last score of its hour, day or week."""

    at: datetime = Field(description="When the hour, day or week begins; raw: when it was scored.")
    score: float
    band: Band
    coverage: float
    profile: str
    p_loss: float | None
    scored_at: datetime
    carried: bool = Field(description="No score in it: the last one before is carried forward.")

    @classmethod
    def of(cls, bucket: Bucket) -> "PointView":
        """Show a bucket."""
        kept = bucket.kept
        return cls(
            at=bucket.begins_at,
            score=kept.score,
            band=kept.band,
            coverage=kept.coverage,
            profile=kept.profile,
            p_loss=kept.p_loss,
            scored_at=kept.at,
            carried=bucket.is_carried,
        )


class MarkerView(BaseModel):
    """A moment to mark: the band changed, or the profile or model that judges."""

    at: datetime
    kind: str = Field(description="band or profile.")
    before: str
    after: str


class HistoryView(BaseModel):
    """The history of a score, oldest first. Days and weeks are the account's own."""

    account_id: str
    time_zone: str
    resolution: Resolution
    begins_at: datetime
    ends_at: datetime
    points: list[PointView]
    markers: list[MarkerView] = Field(description="The newest 500 of the span, oldest first.")
    next_cursor: str | None = Field(description="Of raw scores: the next page.")
    has_more: bool


@router.get(
    "/{account_id}/health/history",
    responses=responses(
        AccountUnknown,
        InvalidCursor,
        MomentUnclear,
        MomentInFuture,
        HistoryBackwards,
        HistoryTooLong,
    ),
)
async def get_history(
    account_id: str,
    _who: Reader,
    tx: Tx,
    paging: PageQuery,
    span: Annotated[SpanQuery, Query()],
) -> HistoryView:
    """Show how the score went: by hour up to 31 days, by day up to 800, by week up to ten years.

    Raw scores come in pages. Past its detail, history has one score a day and each change of band.
    """
    after = paging.after(at=datetime)
    found = await chart(
        tx,
        account_id,
        Span(span.from_, span.to, span.resolution),
        after=after["at"] if after else None,
        limit=paging.fetch,
    )
    is_raw = span.resolution is Resolution.RAW
    has_more = is_raw and len(found.points) > paging.limit
    shown = found.points[: paging.limit] if is_raw else found.points
    return HistoryView(
        account_id=account_id,
        time_zone=found.time_zone,
        resolution=span.resolution,
        begins_at=found.begins_at,
        ends_at=found.ends_at,
        points=[PointView.of(point) for point in shown],
        markers=[
            MarkerView(
                at=turn.at,
                kind="band" if turn.kind == "band" else "profile",
                before=turn.before,
                after=turn.after,
            )
            for turn in found.turns
        ],
        next_cursor=paging.cursor_of({"at": shown[-1].begins_at}) if has_more else None,
        has_more=has_more,
    )
