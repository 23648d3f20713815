"""The HTTP door of expansion."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.expansion import storage, usecases
from services.expansion.domain.account import Account, AccountNotFound
from services.expansion.domain.opportunity import (
    Decision,
    Opportunity,
    OpportunityIsNotOpen,
    OpportunityNotFound,
    Outcome,
    Status,
)
from services.expansion.domain.utilisation import Utilisation
from services.expansion.domain.wording import explain
from shared.auth.principal import Principal
from shared.kernel.ids import ACCOUNT_ID
from shared.web.deps import Tx, authorize
from shared.web.etags import set_etag
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery, Paging
from shared.web.routing import api_router

router = api_router("/api/v1")
READ = [authorize("expansion:read")]
Writer = Annotated[Principal, authorize("expansion:write")]

_ONE = "/accounts/{account_id}/opportunities/{opportunity_id}"

AccountId = Annotated[
    str, Path(pattern=f"^{ACCOUNT_ID.pattern}$", examples=["acme"], description="The account.")
]
StatusQuery = Annotated[Status | None, Query(description="Only those in this status.")]


class UtilisationShown(BaseModel):
    """How many of the seats sold are in use; figures that are not known yet are null."""

    account_id: str
    seats: int | None = Field(description="Of the latest contract whose term has begun.")
    active_users_28d: int | None
    utilisation: float | None = Field(description="Active users / seats; may be above 1.")
    as_of: date | None = Field(description="The last day that is counted.")
    near_limit_since: datetime | None = Field(
        description="When it went above 85 %, unless it has been under 80 % since."
    )
    no_upsell_until: date | None
    explanation: str

    @classmethod
    def of(
        cls, account: Account, utilisation: Utilisation | None, seats: int | None
    ) -> "UtilisationShown":
        """Return an account's utilisation as it is shown."""
        usage = account.usage
        return cls(
            account_id=account.account_id,
            seats=seats,
            active_users_28d=usage.active_users_28d if usage else None,
            utilisation=utilisation.ratio if utilisation else None,
            as_of=usage.day if usage else None,
            near_limit_since=account.near_limit_since,
            no_upsell_until=account.no_upsell_until,
            explanation=explain(utilisation, has_seats=seats is not None),
        )


class Evidence(BaseModel):
    """What an opportunity rests on."""

    model_config = ConfigDict(from_attributes=True)

    seats: int
    active_users_28d: int
    utilisation: float = Field(validation_alias="ratio")
    as_of: date = Field(validation_alias="day")


class OpportunityShown(BaseModel):
    """A chance to sell, whether it is offered now, and why or why not."""

    model_config = ConfigDict(from_attributes=True)

    account_id: str
    opportunity_id: UUID
    kind: str = Field(examples=["more_seats"])
    status: Status
    evidence: Evidence = Field(validation_alias="utilisation")
    because: list[str] = Field(
        description="What holds it back.", examples=[["landing", "risk:usage_drop"]]
    )
    until: date | None = Field(description="The day from which nothing holds it, if known.")
    explanation: str
    found_at: datetime
    opened_at: datetime | None
    closed_at: datetime | None
    close_reason: str | None
    closed_by: str | None
    version: int

    @classmethod
    def of(cls, opportunity: Opportunity) -> "OpportunityShown":
        """Return an opportunity as it is shown."""
        return cls.model_validate(opportunity)


class DecisionOrder(BaseModel):
    """How an opportunity ended, and why in a few words."""

    model_config = ConfigDict(extra="forbid")

    outcome: Outcome
    reason: Annotated[str, Field(min_length=1, max_length=2000, pattern=r"\S")] | None = Field(
        default=None, examples=["They ordered ten more seats."]
    )


@router.get(
    "/accounts/{account_id}/utilisation",
    tags=["utilisation"],
    dependencies=READ,
    responses=responses(AccountNotFound),
)
async def get_utilisation(account_id: AccountId, tx: Tx) -> UtilisationShown:
    """Return how many of the seats an account has bought are in use."""
    account = await storage.account(tx, account_id)
    if account is None:
        raise AccountNotFound
    entitlement = await usecases.entitlement_of(tx, account)
    return UtilisationShown.of(
        account,
        await usecases.utilisation_of(tx, account),
        entitlement.seats if entitlement else None,
    )


@router.get(
    "/opportunities",
    tags=["opportunities"],
    dependencies=READ,
    responses=responses(InvalidCursor),
)
async def list_opportunities(
    tx: Tx, page: PageQuery, status: StatusQuery = None
) -> Page[OpportunityShown]:
    """List the opportunities of all accounts, newest first."""
    rows = await storage.opportunities(
        tx, account_id=None, status=status, before=_before(page), limit=page.fetch
    )
    return _page(page, rows)


@router.get(
    "/accounts/{account_id}/opportunities",
    tags=["opportunities"],
    dependencies=READ,
    responses=responses(AccountNotFound, InvalidCursor),
)
async def list_opportunities_of_account(
    account_id: AccountId, tx: Tx, page: PageQuery, status: StatusQuery = None
) -> Page[OpportunityShown]:
    """List the opportunities of an account, newest first."""
    if await storage.account(tx, account_id) is None:
        raise AccountNotFound
    rows = await storage.opportunities(
        tx, account_id=account_id, status=status, before=_before(page), limit=page.fetch
    )
    return _page(page, rows)


@router.get(
    _ONE, tags=["opportunities"], dependencies=READ, responses=responses(OpportunityNotFound)
)
async def get_opportunity(
    account_id: AccountId, opportunity_id: UUID, tx: Tx, response: Response
) -> OpportunityShown:
    """Return an opportunity, and why it is offered or not."""
    opportunity = await storage.opportunity(tx, account_id, opportunity_id)
    if opportunity is None:
        raise OpportunityNotFound
    set_etag(response, opportunity.version)
    return OpportunityShown.of(opportunity)


@router.post(
    f"{_ONE}/close",
    tags=["opportunities"],
    responses=responses(OpportunityNotFound, OpportunityIsNotOpen),
)
async def close_opportunity(
    account_id: AccountId, opportunity_id: UUID, order: DecisionOrder, writer: Writer, tx: Tx
) -> OpportunityShown:
    """Close an open opportunity as won or lost."""
    decision = Decision(order.outcome, order.reason, by=writer.name)
    after = await usecases.decide_opportunity(tx, account_id, opportunity_id, decision)
    return OpportunityShown.of(after)


def _before(page: Paging) -> UUID | None:
    return (page.after(opportunity_id=UUID) or {}).get("opportunity_id")


def _page(page: Paging, rows: list[Opportunity]) -> Page[OpportunityShown]:
    return page.page(
        rows,
        item=OpportunityShown.of,
        key=lambda opportunity: {"opportunity_id": opportunity.opportunity_id},
    )
