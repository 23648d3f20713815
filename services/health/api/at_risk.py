"""Accounts at risk: by how likely they are lost, and by what that would cost."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from functools import cache, partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from services.health.api.shapes import Reader
from services.health.domain.profile.book import ProfileBook
from services.health.domain.profile.standing import Standing
from services.health.storage.risk import at_risk
from services.health.storage.risk.at_risk import Place
from services.health.usecases.profile.profiles import PROFILES
from services.health.usecases.risk.risks import title_of
from shared.db.transaction import Row, Transaction
from shared.kernel.errors import Invalid
from shared.web.deps import Tx
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery, Paging
from shared.web.routing import api_router

router = api_router("/api/v1", tags=["at risk"])


class CurrencyNeeded(Invalid):
    """Money in several currencies has no order: name the currency to rank by."""


class Sort(StrEnum):
    """What comes first."""

    PROBABILITY = "probability"
    VALUE = "value"


class Money(BaseModel):
    """An amount in minor units."""

    amount_minor: int
    currency: str


class OpenRisk(BaseModel):
    """An open risk of an account, in short."""

    id: UUID
    reason: str
    title: str
    severity: str


class AtRisk(BaseModel):
    """An account with open risks, and what may be lost."""

    account_id: str
    probability: float = Field(description="How likely it is lost, 0 to 1.")
    origin: str = Field(
        description="`model`: learned from renewals; `rule`: from the severity of its risks."
    )
    mrr: Money | None = Field(description="Null when no contract is known.")
    value_at_risk: Money | None = Field(description="Probability times MRR.")
    notice_date: date | None
    months_to_renewal: float | None
    risks: list[OpenRisk]
    changed_at: datetime


class AtRiskTotal(BaseModel):
    """All accounts of a currency together; without a currency no contract is known."""

    currency: str | None
    accounts: int
    mrr_minor: int | None
    value_at_risk_minor: int | None


class AtRiskTotals(BaseModel):
    """Everything at risk, by currency: amounts of different currencies are never added up."""

    accounts: int
    by_currency: list[AtRiskTotal]


@router.get("/at-risk", responses=responses(InvalidCursor, CurrencyNeeded))
async def list_at_risk(
    _who: Reader,
    tx: Tx,
    paging: PageQuery,
    sort: Annotated[Sort, Query(description="What comes first.")] = Sort.PROBABILITY,
    currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$")] = None,
) -> Page[AtRisk]:
    """List accounts with open risks: the likeliest losses first, or the dearest.

    By value, accounts whose contract is not known come last, the likeliest first.
    """
    if sort is Sort.VALUE:
        return await _by_value(tx, paging, currency or await _only_currency(tx))
    after = paging.after(by=float, account_id=str)
    rows = await at_risk.by_probability(
        tx, currency=currency, after=Place(**after) if after else None, limit=paging.fetch
    )
    return paging.page(
        rows,
        item=_at_risk(tx, await PROFILES.current(tx)),
        key=lambda row: _place(row["probability"], row["account_id"]),
    )


@router.get("/at-risk/totals")
async def get_totals_at_risk(_who: Reader, tx: Tx) -> AtRiskTotals:
    """Show how much is at risk altogether, by currency."""
    rows = await at_risk.totals(tx)
    return AtRiskTotals(
        accounts=sum(row["accounts"] for row in rows), by_currency=[_total(row) for row in rows]
    )


async def _only_currency(tx: Transaction) -> str:
    known = await at_risk.currencies(tx)
    if len(known) > 1:
        raise CurrencyNeeded(f"add currency=, one of {', '.join(known)}", known=known)
    return known[0] if known else ""


async def _by_value(tx: Transaction, paging: Paging, currency: str) -> Page[AtRisk]:
    after = paging.after(priced=bool, by=float, account_id=str)
    place = Place(after["by"], after["account_id"]) if after else None
    rows: Sequence[Row] = []
    if after is None or after["priced"]:
        rows = await at_risk.by_value(tx, currency=currency, after=place, limit=paging.fetch)
        place = None
    if len(rows) < paging.fetch:
        more = await at_risk.without_value(tx, after=place, limit=paging.fetch - len(rows))
        rows = [*rows, *more]
    return paging.page(rows, item=_at_risk(tx, await PROFILES.current(tx)), key=_place_by_value)


def _place(by: float, account_id: str) -> dict[str, Any]:
    return {"by": by, "account_id": account_id}


def _place_by_value(row: Row) -> dict[str, Any]:
    is_priced = row["value_minor"] is not None
    by = row["value_minor"] if is_priced else row["probability"]
    return {"priced": is_priced, **_place(by, row["account_id"])}


def _at_risk(tx: Transaction, book: ProfileBook) -> Any:
    today = tx.now.date()
    # Many accounts of a page share a few reasons.
    title = cache(partial(title_of, profiles=book))

    def view(row: Row) -> AtRisk:
        return AtRisk(
            account_id=row["account_id"],
            probability=row["probability"],
            origin=row["origin"],
            mrr=_money(row["mrr_minor"], row["currency"]),
            value_at_risk=_money(row["value_minor"], row["currency"]),
            notice_date=row["notice_on"],
            months_to_renewal=Standing(ends_on=row["ends_on"]).months_to_renewal(today),
            risks=[OpenRisk(title=title(risk["reason"]), **risk) for risk in row["risks"]],
            changed_at=row["changed_at"],
        )

    return view


def _money(minor: float | None, currency: str | None) -> Money | None:
    if minor is None or currency is None:
        return None
    return Money(amount_minor=round(minor), currency=currency)


def _total(row: Row) -> AtRiskTotal:
    value = row["value_minor"]
    return AtRiskTotal(
        currency=row["currency"],
        accounts=row["accounts"],
        mrr_minor=row["mrr_minor"],
        value_at_risk_minor=None if value is None else round(value),
    )
