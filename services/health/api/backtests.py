"""Back-tests: asked for, watched while they run, and read."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from services.health.domain.backtest.plan import Plan, PlanInvalid
from services.health.domain.backtest.tables import RowsInvalid
from services.health.domain.profile.parsing import LATEST_VERSION
from services.health.domain.profile.profile import Profile
from services.health.storage.backtest import backtests
from services.health.usecases.backtest.backtests import (
    BacktestIsOver,
    BacktestNotDone,
    Question,
    TooManyBacktests,
    UnknownBacktest,
    ask,
    cancel,
    find,
    find_done,
    outcomes_of_csv,
)
from services.health.usecases.backtest.report import render_report
from services.health.usecases.profile.profiles import PROFILES
from shared.auth.principal import Principal
from shared.db.transaction import Row, Transaction
from shared.kernel.errors import NotFound
from shared.web.deps import Tx, authorize
from shared.web.fields import Day, Number, Whole
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import api_router

router = api_router("/api/v1/backtests", tags=["back-tests"])
Reader = Annotated[Principal, authorize("health:read")]
Writer = Annotated[Principal, authorize("health:write")]
_LARGEST_CSV = 5 * 1024 * 1024


class UnknownProfile(NotFound):
    """There is no such profile, or not in this version."""


class PlanSettings(BaseModel):
    """How history is looked at; every figure depends on these and on the data alone."""

    model_config = ConfigDict(extra="forbid")

    horizon_days: Whole = Field(default=300, ge=1, le=1100, description="How far ahead to look.")
    min_lead_days: Whole = Field(default=30, ge=1, description="And how near at the least.")
    budget: Number = Field(default=0.2, gt=0, lt=1, description="Share of accounts flagged.")
    every_days: Whole | None = Field(default=None, ge=1, le=92, description="Default: monthly.")
    since: Day | None = None
    until: Day | None = None
    test_from: Day | None = Field(default=None, description="Default: chosen by the losses.")
    seed: Whole = Field(default=1, ge=0, le=2**31)

    def plan(self) -> Plan:
        """Return the plan. Raises `PlanInvalid`."""
        return Plan(**self.model_dump())


class NewBacktest(BaseModel):
    """A back-test to run. Outcomes are those on record, rows, or a CSV text with a header."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"profile": "default", "outcomes": "recorded"}]},
    )

    profile: str = Field(min_length=1, max_length=60)
    version: Whole | None = Field(
        default=None, ge=1, le=LATEST_VERSION, description="Default: the one in force."
    )
    outcomes: (
        Literal["recorded"]
        | Annotated[str, Field(max_length=_LARGEST_CSV)]
        | Annotated[list[dict[str, Any]], Field(min_length=1, max_length=100_000)]
    ) = "recorded"
    plan: PlanSettings = PlanSettings()


class Queued(BaseModel):
    """The back-test's id: ask for it until it is done."""

    id: UUID


class BacktestView(BaseModel):
    """A back-test: how far it is, and in figures what it found."""

    id: UUID
    profile: str
    version: int
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    stage: str
    progress: float = Field(ge=0, le=1)
    attempts: int
    error: str | None
    summary: Mapping[str, Any] | None
    model_version: int | None = Field(description="The model fitted with it, if one was asked for.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class BacktestResult(BacktestView):
    """The same with everything it found."""

    plan: Mapping[str, Any]
    result: Mapping[str, Any] | None


@router.post(
    "",
    status_code=202,
    responses=responses(UnknownProfile, PlanInvalid, RowsInvalid, TooManyBacktests),
)
async def create_backtest(body: NewBacktest, _who: Writer, tx: Tx) -> Queued:
    """Queue a back-test; it runs in the background, one at a time."""
    profile, plan = await profile_named(tx, body.profile, body.version), body.plan.plan()
    outcomes = body.outcomes
    if isinstance(outcomes, str):
        rows = None if outcomes == "recorded" else outcomes_of_csv(outcomes)
    else:
        rows = outcomes
    return Queued(id=await ask(tx, Question(profile, plan, rows)))


@router.get("", responses=responses(InvalidCursor))
async def list_backtests(_who: Reader, tx: Tx, paging: PageQuery) -> Page[BacktestView]:
    """List back-tests, newest first."""
    after = paging.after(created_at=datetime, id=UUID)
    before = (after["created_at"], after["id"]) if after else None
    rows = await backtests.listed(tx, before=before, limit=paging.fetch)
    return paging.page(
        rows, item=_view, key=lambda row: {"created_at": row["created_at"], "id": row["id"]}
    )


@router.get("/{backtest_id}", responses=responses(UnknownBacktest))
async def get_backtest(backtest_id: UUID, _who: Reader, tx: Tx) -> BacktestResult:
    """Return a back-test: how far it is and, when it is done, everything it found."""
    row = await find(tx, backtest_id)
    return BacktestResult(**_fields(row), plan=row["plan"], result=row["result"])


@router.get(
    "/{backtest_id}/report",
    response_class=HTMLResponse,
    responses=responses(UnknownBacktest, BacktestNotDone),
)
async def get_report(backtest_id: UUID, _who: Reader, tx: Tx) -> HTMLResponse:
    """Return the report as one HTML page that stands alone."""
    row = await find_done(tx, backtest_id)
    return HTMLResponse(render_report(row["result"], row["summary"]["headline"]))


@router.post(
    "/{backtest_id}/cancel",
    status_code=204,
    response_class=Response,
    responses=responses(UnknownBacktest, BacktestIsOver),
)
async def cancel_backtest(backtest_id: UUID, _who: Writer, tx: Tx) -> None:
    """Cancel a back-test that waits or runs."""
    await cancel(tx, backtest_id)


async def profile_named(tx: Transaction, name: str, version: int | None) -> Profile:
    """Return a stored profile by name, in the version in force or the one given.

    Raises `UnknownProfile`.
    """
    profile = await PROFILES.version(tx, name, version)
    if profile is None:
        label = name if version is None else f"{name}@{version}"
        raise UnknownProfile(f"there is no profile {label}; GET /api/v1/profiles lists all")
    return profile


def _view(row: Row) -> BacktestView:
    return BacktestView(**_fields(row))


def _fields(row: Row) -> dict[str, Any]:
    given = {name: row[name] for name in BacktestView.model_fields if name in row}
    return {**given, "profile": row["profile_name"], "version": row["profile_version"]}
