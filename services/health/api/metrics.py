"""Metrics: what is measured, how fresh it is, and the values of accounts."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, Field

from services.health.domain.profile.book import ProfileBook
from services.health.domain.profile.metrics import Metric, MetricKind
from services.health.storage.metric import backfills, metrics
from services.health.usecases.accounts import AccountUnknown, known_account
from services.health.usecases.profile.profiles import PROFILES
from shared.auth.principal import Principal
from shared.db.transaction import Row, Transaction
from shared.kernel.errors import NotFound
from shared.web.deps import Tx, authorize
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import api_router

router = api_router("/api/v1", tags=["metrics"])
Reader = Annotated[Principal, authorize("health:read")]
Name = Annotated[str, Path(max_length=60, examples=["stickiness"])]


class MetricUnknown(NotFound):
    """No profile defines this metric, and no value of it is kept."""


class DefinitionView(BaseModel):
    """What a metric counts; profiles that mean the same number share one."""

    kind: MetricKind
    events: list[str] = Field(description="Empty: every usage event.")
    property: str | None
    window_days: int
    description: str
    profiles: list[str] = Field(description="The active profile versions that define it so.")


class BackfillView(BaseModel):
    """How far the history of a metric is filled since a profile version added it."""

    profile: str
    version: int
    state: str = Field(description="running, done or stopped", examples=["running"])
    accounts_done: int
    accounts_total: int
    days_done: int = Field(description="Account days that were filled.")
    note: str
    started_at: datetime
    updated_at: datetime


class MetricView(BaseModel):
    """A metric, how fresh it is, and how many accounts have it."""

    name: str
    definitions: list[DefinitionView]
    accounts: int = Field(description="Accounts with a value, as of `counted_at`.")
    newest_day: date | None = Field(description="The newest day that was measured.")
    computed_at: datetime | None
    counted_at: datetime | None = Field(description="Coverage is counted twice a minute.")
    newest_event_day: date | None = Field(description="The newest day with one of its events.")
    backfills: list[BackfillView]


class ValueView(BaseModel):
    """A metric of an account, as it was measured last."""

    name: str
    value: float
    day: date = Field(description="The day its window ends with.")
    window_days: int
    days_known: int = Field(description="Days of the window that lie in the account's history.")
    sample: int = Field(description="Events, or people, that the value is made of.")
    explanation: str
    profile: str
    computed_at: datetime
    definition: DefinitionView | None = Field(
        description="Null when no active profile of the account defines it any more."
    )


class PointView(BaseModel):
    """A metric of an account on a past day."""

    day: date
    value: float
    sample: int
    days_known: int
    window_days: int
    computed_at: datetime


@router.get("/metrics", responses=responses(InvalidCursor))
async def list_metrics(_who: Reader, tx: Tx, paging: PageQuery) -> Page[MetricView]:
    """List the metrics of the active profiles by name, with how fresh they are."""
    book = await PROFILES.current(tx)
    after = paging.after(name=str)
    names = [name for name in book.metrics() if after is None or name > after["name"]]
    shown = await _metrics(tx, book, names[: paging.fetch])
    return paging.page(shown, item=lambda one: one, key=lambda one: {"name": one.name})


@router.get("/metrics/{name}", responses=responses(MetricUnknown))
async def get_metric(name: Name, _who: Reader, tx: Tx) -> MetricView:
    """Show a metric: its definitions, its freshness, and how far its history is filled."""
    book = await PROFILES.current(tx)
    if name not in book.metrics():
        raise _unknown(name)
    return (await _metrics(tx, book, [name]))[0]


@router.get("/accounts/{account_id}/metrics", responses=responses(AccountUnknown, InvalidCursor))
async def list_values(account_id: str, _who: Reader, tx: Tx, paging: PageQuery) -> Page[ValueView]:
    """List the metrics of an account by name, as they were measured last."""
    await known_account(tx, account_id)
    profile = await PROFILES.for_account(tx, account_id)
    definitions = {one.name: _definition(one, [profile.label]) for one in profile.metrics}
    after = paging.after(name=str)
    rows = [
        row
        for row in await metrics.latest(tx, account_id)
        if after is None or row["metric"] > after["name"]
    ]
    return paging.page(
        rows[: paging.fetch],
        item=lambda row: _value(row, definitions.get(row["metric"])),
        key=lambda row: {"name": row["metric"]},
    )


@router.get(
    "/accounts/{account_id}/metrics/{name}/history",
    responses=responses(AccountUnknown, MetricUnknown, InvalidCursor),
)
async def list_history(
    account_id: str, name: Name, _who: Reader, tx: Tx, paging: PageQuery
) -> Page[PointView]:
    """List the values of a metric of an account by day, newest first."""
    await known_account(tx, account_id)
    after = paging.after(day=date)
    before = after["day"] if after else None
    rows = await metrics.history(tx, account_id, name, before=before, limit=paging.fetch)
    if not rows and after is None and name not in (await PROFILES.current(tx)).metrics():
        raise _unknown(name)
    return paging.page(rows, item=PointView.model_validate, key=lambda row: {"day": row["day"]})


async def _metrics(
    tx: Transaction, book: ProfileBook, names: Sequence[str]
) -> Sequence[MetricView]:
    known = book.metrics()
    events = sorted({event for name in names for one in known[name] for event in one.events})
    seen = await metrics.seen_events(tx, events)
    newest = await metrics.newest_event_day(tx)
    covered = await metrics.summaries(tx)
    fills: dict[str, list[BackfillView]] = {}
    for row in await backfills.of_metrics(tx, names):
        fills.setdefault(row["metric"], []).append(BackfillView.model_validate(dict(row)))
    return [
        _metric(book, name, covered.get(name), _newest(known[name], seen, newest)).model_copy(
            update={"backfills": fills.get(name, [])}
        )
        for name in names
    ]


def _metric(
    book: ProfileBook, name: str, covered: Row | None, newest_event_day: date | None
) -> MetricView:
    return MetricView(
        name=name,
        definitions=[_definition(one, _users(book, one)) for one in book.metrics()[name]],
        accounts=covered["accounts"] if covered else 0,
        newest_day=covered["newest_day"] if covered else None,
        computed_at=covered["computed_at"] if covered else None,
        counted_at=covered["counted_at"] if covered else None,
        newest_event_day=newest_event_day,
        backfills=[],
    )


def _newest(
    definitions: Sequence[Metric], seen: Mapping[str, date], newest: date | None
) -> date | None:
    if any(not one.events for one in definitions):
        return newest
    days = [seen[event] for one in definitions for event in one.events if event in seen]
    return max(days, default=None)


def _users(book: ProfileBook, metric: Metric) -> list[str]:
    return [
        profile.label
        for profile in book.profiles
        if any(one.name == metric.name and one.is_same_number(metric) for one in profile.metrics)
    ]


def _definition(metric: Metric, profiles: list[str]) -> DefinitionView:
    return DefinitionView(
        kind=metric.kind,
        events=list(metric.events),
        property=metric.property,
        window_days=metric.window_days,
        description=metric.description,
        profiles=profiles,
    )


def _value(row: Row, definition: DefinitionView | None) -> ValueView:
    return ValueView.model_validate(
        {
            **row,
            "name": row["metric"],
            "explanation": row["baseline"],
            "definition": definition,
        }
    )


def _unknown(name: str) -> MetricUnknown:
    return MetricUnknown(f"no active profile defines {name!r}; GET /api/v1/metrics lists all")
