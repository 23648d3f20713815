"""Renewals over HTTP."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Response

from services.renewals import storage, usecases
from services.renewals.api.shapes import (
    AccountId,
    Day,
    DecisionOrder,
    ForecastOrder,
    StageChange,
)
from services.renewals.api.shown import RenewalShown
from services.renewals.domain.account import AccountNotFound
from services.renewals.domain.renewal import (
    Decision,
    Forecast,
    RenewalIsDecided,
    RenewalNotFound,
)
from shared.auth.principal import Principal
from shared.db.transaction import Transaction
from shared.web.deps import Tx, authorize
from shared.web.etags import (
    IfMatch,
    PreconditionFailed,
    PreconditionRequired,
    check_version,
    set_etag,
)
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import api_router

router = api_router("/api/v1", tags=["renewals"])
READ = [authorize("renewals:read")]
Writer = Annotated[Principal, authorize("renewals:write")]

_ONE = "/accounts/{account_id}/renewals/{renewal_id}"
_CHANGE = responses(RenewalNotFound, RenewalIsDecided, PreconditionFailed, PreconditionRequired)


@dataclass(frozen=True, slots=True)
class RenewalKey:
    """Which renewal a path names."""

    account_id: str
    renewal_id: UUID


async def renewal_key(account_id: AccountId, renewal_id: UUID) -> RenewalKey:
    """Return the renewal a path names."""
    return RenewalKey(account_id, renewal_id)


RenewalPath = Annotated[RenewalKey, Depends(renewal_key)]


@dataclass(frozen=True, slots=True)
class RenewalFilter:
    """Which renewals to list."""

    at_risk: bool | None
    before: date | None


async def renewal_filter(
    at_risk: Annotated[
        bool | None, Query(description="Only those with an open save, or only those without.")
    ] = None,
    before: Annotated[
        Day | None, Query(description="Only those whose notice date is before this day.")
    ] = None,
) -> RenewalFilter:
    """Return which renewals to list."""
    return RenewalFilter(at_risk, before)


async def new_forecast(order: ForecastOrder, writer: Writer, tx: Tx) -> Forecast:
    """Return what the caller believes."""
    return Forecast(order.probability, order.reason, by=writer.name, at=tx.now)


NewForecast = Annotated[Forecast, Depends(new_forecast)]


@router.get("/renewals", dependencies=READ, responses=responses(InvalidCursor))
async def list_renewals(
    tx: Tx, page: PageQuery, wanted: Annotated[RenewalFilter, Depends(renewal_filter)]
) -> Page[RenewalShown]:
    """List the renewals of all accounts, by notice date."""
    after = page.after(notice_date=date, renewal_id=UUID)
    rows = await storage.renewals_by_notice_date(
        tx,
        at_risk=wanted.at_risk,
        before=wanted.before,
        after=(after["notice_date"], after["renewal_id"]) if after else None,
        limit=page.fetch,
    )
    return page.page(
        rows,
        item=lambda row: RenewalShown.of(row, tx.now),
        key=lambda row: {
            "notice_date": row.renewal.notice_date,
            "renewal_id": row.renewal.renewal_id,
        },
    )


@router.get(
    "/accounts/{account_id}/renewals",
    dependencies=READ,
    responses=responses(AccountNotFound, InvalidCursor),
)
async def list_renewals_of_account(
    account_id: AccountId, tx: Tx, page: PageQuery
) -> Page[RenewalShown]:
    """List the renewals of an account, oldest first."""
    if await storage.account(tx, account_id) is None:
        raise AccountNotFound
    after = page.after(renewal_id=UUID) or {}
    rows = await storage.renewals_of_account(
        tx, account_id, after=after.get("renewal_id"), limit=page.fetch
    )
    return page.page(
        rows,
        item=lambda row: RenewalShown.of(row, tx.now),
        key=lambda row: {"renewal_id": row.renewal.renewal_id},
    )


@router.get(_ONE, dependencies=READ, responses=responses(RenewalNotFound))
async def get_renewal(at: RenewalPath, tx: Tx, response: Response) -> RenewalShown:
    """Return a renewal: its probability, and exactly why."""
    return await _show(tx, at, response)


@router.patch(_ONE, dependencies=[authorize("renewals:write")], responses=_CHANGE)
async def move_to_stage(
    at: RenewalPath, change: StageChange, expected: IfMatch, tx: Tx, response: Response
) -> RenewalShown:
    """Move a renewal to another stage."""
    before = await usecases.renewal_to_change(tx, at.account_id, at.renewal_id)
    check_version(expected, before.version)
    await usecases.move_to_stage(tx, before, change.stage)
    return await _show(tx, at, response)


@router.put(f"{_ONE}/forecast", responses=_CHANGE)
async def forecast_renewal(
    at: RenewalPath, forecast: NewForecast, expected: IfMatch, tx: Tx, response: Response
) -> RenewalShown:
    """Say what you believe. It is shown beside the computed probability, never mixed into it."""
    before = await usecases.renewal_to_change(tx, at.account_id, at.renewal_id)
    check_version(expected, before.version)
    await usecases.forecast_renewal(tx, before, forecast)
    return await _show(tx, at, response)


@router.post(f"{_ONE}/close", responses=responses(RenewalNotFound, RenewalIsDecided))
async def close_renewal(
    at: RenewalPath, order: DecisionOrder, writer: Writer, tx: Tx, response: Response
) -> RenewalShown:
    """Close a renewal as won or lost. Its save is over and no further window opens."""
    before = await usecases.renewal_to_change(tx, at.account_id, at.renewal_id)
    decision = Decision(order.outcome, order.reason, by=writer.name, at=tx.now)
    await usecases.decide_renewal(tx, before, decision)
    return await _show(tx, at, response)


async def _show(tx: Transaction, at: RenewalKey, response: Response) -> RenewalShown:
    shown = await storage.shown_renewal(tx, at.account_id, at.renewal_id)
    if shown is None:
        raise RenewalNotFound
    set_etag(response, shown.renewal.version)
    return RenewalShown.of(shown, tx.now)
