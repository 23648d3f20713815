"""Health of accounts: the score, why it is what it is, and the days behind it."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field

from services.health.domain.score.score import Band, Line, PointChange, diff
from services.health.storage import accounts, days, scores
from services.health.storage.scores import Scored, profile_label
from shared.auth.principal import Principal
from shared.db.transaction import Row, Transaction
from shared.kernel.errors import NotFound
from shared.web.deps import Tx, authorize
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import api_router

router = api_router("/api/v1/accounts", tags=["accounts"])
Reader = Annotated[Principal, authorize("health:read")]
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class AccountUnknown(NotFound):
    """Health has not heard of this account."""


class NotScoredYet(NotFound):
    """The account has no score for that moment."""


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


class MonitoringView(BaseModel):
    """What the drop detector says about one metric, on the newest sealed day."""

    metric: str
    day: date
    seen: float
    expected: float
    ratio: float = Field(description="Usage against the account's own normal; 1 is normal.")
    probability_down: float = Field(description="How sure it is down by more than 30 %.")
    peers: float = Field(description="Where similar accounts are against their normal.")


class HealthDetail(HealthView):
    """An account's health with the detector's readings."""

    monitoring: list[MonitoringView]


class LineView(BaseModel):
    """What one input adds to the score."""

    dimension: str
    metric: str
    points: float
    max_points: float
    value: float | None
    baseline: str
    subscore: float
    weight: float
    observed: bool
    age_days: float | None

    @classmethod
    def of(cls, line: Line) -> "LineView":
        """Show a line."""
        shown = {name: getattr(line, name) for name in cls.model_fields}
        return cls(**shown)


class ChangeView(BaseModel):
    """How many points of a change one input explains."""

    dimension: str
    metric: str
    points: float
    value_before: float | None
    value_after: float | None

    @classmethod
    def of(cls, change: PointChange) -> "ChangeView":
        """Show a change."""
        shown = {name: getattr(change, name) for name in cls.model_fields}
        return cls(**shown)


class ComparisonView(BaseModel):
    """The difference to an earlier score; its changes add up to it exactly."""

    since: datetime
    score: float
    band: Band
    points: float
    changes: list[ChangeView]


class ExplanationView(BaseModel):
    """A score, exactly: its lines add up to it."""

    account_id: str
    score: float
    band: Band
    coverage: float
    profile: str
    scored_at: datetime
    lines: list[LineView]
    missing: list[str]
    compared: ComparisonView | None


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


@router.get("", responses=responses(InvalidCursor))
async def list_accounts(
    _who: Reader, tx: Tx, paging: PageQuery, band: Annotated[Band | None, Query()] = None
) -> Page[HealthView]:
    """List accounts with their health, by account id."""
    after = paging.after(account_id=str)
    rows = await accounts.listed(
        tx,
        after=after["account_id"] if after else None,
        band=band.value if band else None,
        limit=paging.fetch,
    )
    return paging.page(rows, item=_health, key=lambda row: {"account_id": row["account_id"]})


@router.get("/{account_id}/health", responses=responses(AccountUnknown))
async def get_health(account_id: str, _who: Reader, tx: Tx) -> HealthDetail:
    """Show an account's score, band, coverage and what the drop detector says."""
    row = await _account(tx, account_id)
    scored = await scores.latest(tx, account_id)
    judged = await days.latest_judged(tx, account_id)
    view = _health({**row, **_scored(scored)})
    return HealthDetail(
        **view.model_dump(), monitoring=[_monitoring(day) for _, day in sorted(judged.items())]
    )


@router.get("/{account_id}/health/explain", responses=responses(AccountUnknown, NotScoredYet))
async def explain_health(
    account_id: str,
    _who: Reader,
    tx: Tx,
    since: Annotated[
        AwareDatetime | None,
        Query(ge=_EARLIEST, le=_LATEST, description="Compare with the score at this moment."),
    ] = None,
) -> ExplanationView:
    """Explain a score: points per input, what is missing, and what changed since a moment."""
    await _account(tx, account_id)
    scored = await scores.latest(tx, account_id)
    if scored is None:
        raise NotScoredYet
    before = await scores.latest(tx, account_id, at=since) if since else None
    if since and before is None:
        raise NotScoredYet(f"there was no score yet at {since.isoformat()}")
    lines = sorted(scored.score.lines, key=lambda line: line.points - line.max_points)
    return ExplanationView(
        account_id=account_id,
        score=scored.score.value,
        band=scored.band,
        coverage=scored.score.coverage,
        profile=profile_label(scored.score),
        scored_at=scored.at,
        lines=[LineView.of(line) for line in lines],
        missing=[line.metric for line in lines if not line.observed],
        compared=_compare(before, scored) if before else None,
    )


@router.get("/{account_id}/usage", responses=responses(AccountUnknown))
async def get_usage(
    account_id: str,
    _who: Reader,
    tx: Tx,
    last_days: Annotated[int, Query(ge=1, le=400, description="How many days back.")] = 90,
) -> UsageView:
    """Show the daily event counts of an account, oldest day first."""
    await _account(tx, account_id)
    rows = await days.by_name(tx, account_id, last_days)
    by_day: dict[date, dict[str, int]] = {}
    for row in rows:
        by_day.setdefault(row["day"], {})[row["name"]] = row["n"]
    shown = [
        DayView(day=day, events=sum(names.values()), by_name=names)
        for day, names in sorted(by_day.items())
    ]
    return UsageView(account_id=account_id, days=shown, events=sum(day.events for day in shown))


async def _account(tx: Transaction, account_id: str) -> Row:
    row = await accounts.get(tx, account_id)
    if row is None:
        raise AccountUnknown(f"health has not heard of the account {account_id!r}")
    return row


def _scored(scored: Scored | None) -> dict[str, Any]:
    if scored is None:
        return {"score": None, "band": None, "coverage": None, "profile": None, "scored_at": None}
    return {
        "score": scored.score.value,
        "band": scored.band.value,
        "coverage": scored.score.coverage,
        "profile": profile_label(scored.score),
        "scored_at": scored.at,
    }


def _health(row: Any) -> HealthView:
    shown = {name: row[name] for name in HealthView.model_fields}
    return HealthView.model_validate({**shown, "band": row["band"] or Band.UNKNOWN})


def _monitoring(day: days.JudgedDay) -> MonitoringView:
    return MonitoringView(
        metric=day.metric,
        day=day.day,
        seen=day.y,
        expected=day.mu,
        ratio=day.ratio,
        probability_down=day.p_down,
        peers=day.peers,
    )


def _compare(before: Scored, after: Scored) -> ComparisonView:
    return ComparisonView(
        since=before.at,
        score=before.score.value,
        band=before.band,
        points=after.score.value - before.score.value,
        changes=[ChangeView.of(change) for change in diff(before.score, after.score)],
    )
