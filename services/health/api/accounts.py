"""Accounts with their health: lists, and the daily usage behind them."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field

from services.health.domain.score.score import Band
from services.health.storage.account import portfolio
from services.health.storage.account.portfolio import Wanted
from services.health.storage.detector import days
from services.health.usecases.accounts import AccountUnknown, known_account
from shared.auth.principal import Principal
from shared.kernel.errors import Invalid
from shared.web.deps import Tx, authorize
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import api_router

router = api_router("/api/v1/accounts", tags=["accounts"])
Reader = Annotated[Principal, authorize("health:read")]
Points = Annotated[float | None, Field(ge=0, le=100, allow_inf_nan=False)]
Share = Annotated[float | None, Field(ge=0, le=1, allow_inf_nan=False)]


class NothingBetween(Invalid):
    """The filters leave nothing: the upper end is not above the lower one."""


class Order(StrEnum):
    """How accounts are sorted; a minus turns it round. `changed` is the last change of score."""

    ACCOUNT_ID = "account_id"
    ACCOUNT_ID_DOWN = "-account_id"
    SCORE = "score"
    SCORE_DOWN = "-score"
    CHANGED = "changed"
    CHANGED_DOWN = "-changed"


_KEYS: dict[str, dict[str, Any]] = {
    "account_id": {"account_id": str},
    "score": {"score": float, "account_id": str},
    "changed": {"changed_at": datetime, "account_id": str},
}


class HealthView(BaseModel):
    """An account's health. High is healthy; under the coverage floor the band is unknown."""

    account_id: str
    segment: str
    time_zone: str
    score: float | None = Field(description="0 to 100, high is healthy; null before the first.")
    band: Band
    coverage: float | None = Field(description="Share of the weights that was observed, 0 to 1.")
    profile: str | None = Field(description="Name and version of the profile that decided.")
    scored_at: datetime | None
    last_active_at: datetime | None
    p_loss: float | None = Field(
        default=None,
        description="Probability of losing the account; null while expert weights speak.",
    )
    changed_at: datetime | None = Field(
        default=None, description="When the score last moved by 2 points, or to another band."
    )


class ListQuery(BaseModel):
    """Which accounts are listed, and how. Any filter leaves out whoever has no score yet."""

    sort: Order = Field(default=Order.ACCOUNT_ID, description="Keep it the same from page to page.")
    band: Band | None = None
    segment: str | None = Field(default=None, min_length=1, max_length=100, pattern=r"^[^\x00]+$")
    score_below: Points = None
    score_from: Points = None
    coverage_below: Share = None
    coverage_from: Share = None

    def filters(self) -> dict[str, object]:
        """Return the filters that were asked for; raise `NothingBetween`."""
        for name in ("score", "coverage"):
            low, high = getattr(self, f"{name}_from"), getattr(self, f"{name}_below")
            if low is not None and high is not None and low >= high:
                raise NothingBetween(f"let {name}_below ({high:g}) be above {name}_from ({low:g})")
        return self.model_dump(mode="json", exclude_none=True, exclude={"sort"})


class DayView(BaseModel):
    """A day of an account: how many events, by name."""

    day: date
    events: int
    by_name: dict[str, int]


class UsageView(BaseModel):
    """Daily usage of an account."""

    account_id: str
    days: list[DayView]
    events: int


@router.get("", responses=responses(InvalidCursor, NothingBetween))
async def list_accounts(
    _who: Reader,
    tx: Tx,
    paging: PageQuery,
    query: Annotated[ListQuery, Query()],
) -> Page[HealthView]:
    """List accounts with their health; by score or change, those that have a score."""
    sort = query.sort.value
    key = _KEYS[sort.lstrip("-")]
    wanted = Wanted(query.filters(), sort, paging.after(**key), paging.fetch)
    rows = await portfolio.listed(tx, wanted)
    return paging.page(rows, item=health_view, key=lambda row: {name: row[name] for name in key})


@router.get("/{account_id}/usage", responses=responses(AccountUnknown))
async def get_usage(
    account_id: str,
    _who: Reader,
    tx: Tx,
    last_days: Annotated[int, Query(ge=1, le=400, description="How many days back.")] = 90,
) -> UsageView:
    """Show the daily event counts of an account, oldest day first."""
    await known_account(tx, account_id)
    rows = await days.by_name(tx, account_id, last_days)
    by_day: dict[date, dict[str, int]] = {}
    for row in rows:
        by_day.setdefault(row["day"], {})[row["name"]] = row["n"]
    shown = [
        DayView(day=day, events=sum(names.values()), by_name=names)
        for day, names in sorted(by_day.items())
    ]
    return UsageView(account_id=account_id, days=shown, events=sum(day.events for day in shown))


def health_view(row: Any) -> HealthView:
    """Show an account's row with its score."""
    shown = {name: row[name] for name in HealthView.model_fields}
    return HealthView.model_validate({**shown, "band": row["band"] or Band.UNKNOWN})
