"""Owners over HTTP."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import Query, Response
from pydantic import BaseModel, Field

from services.onboarding.api.common import (
    PREFIX,
    READ,
    WRITE,
    AccountId,
    Email,
    MatchedAccount,
    Order,
    Text,
)
from services.onboarding.domain.account import AccountNotFound
from services.onboarding.domain.owner import Owner, OwnerNotFound, OwnerRole
from services.onboarding.domain.wording import InvalidEmail, InvalidText
from services.onboarding.storage import owners as stored
from services.onboarding.usecases import accounts, owners
from shared.web.deps import Tx
from shared.web.etags import PreconditionFailed, PreconditionRequired, set_etag
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import api_router

router = api_router(f"{PREFIX}/{{account_id}}/owners", tags=["owners"])


class AssignOwner(Order):
    """The person who is to hold the role."""

    name: Text = Field(examples=["Ana Brandt"])
    email: Email


class OwnerOut(BaseModel):
    """A person of ours and the role they hold, or held until `valid_to`."""

    owner_id: str
    role: OwnerRole
    name: str = Field(examples=["Ana Brandt"])
    email: str = Field(examples=["ana@example.com"])
    valid_from: datetime
    valid_to: datetime | None

    @classmethod
    def of(cls, owner: Owner) -> Self:
        """Return an owner as people see it."""
        return cls(
            owner_id=owner.id,
            role=owner.role,
            name=owner.name,
            email=owner.email,
            valid_from=owner.valid_from,
            valid_to=owner.valid_to,
        )


@router.get("", dependencies=[READ], responses=responses(AccountNotFound, InvalidCursor))
async def list_owners(
    tx: Tx,
    account_id: AccountId,
    paging: PageQuery,
    response: Response,
    history: Annotated[bool, Query(description="Those of the past too.")] = False,  # noqa: FBT002 - a query parameter is named by its caller
) -> Page[OwnerOut]:
    """List the owners of an account, oldest first, with the account's ETag."""
    account = await accounts.known_account(tx, account_id)
    after = paging.after(owner_id=str)
    found = await stored.listed(
        tx,
        account_id,
        with_history=history,
        after=after["owner_id"] if after else None,
        limit=paging.fetch,
    )
    set_etag(response, account.version)
    return paging.page(found, item=OwnerOut.of, key=lambda last: {"owner_id": last.id})


@router.put(
    "/{role}",
    dependencies=[WRITE],
    responses=responses(
        AccountNotFound, PreconditionRequired, PreconditionFailed, InvalidText, InvalidEmail
    ),
)
async def assign_owner(
    tx: Tx, account: MatchedAccount, role: OwnerRole, order: AssignOwner, response: Response
) -> OwnerOut:
    """Give a role on the account to a person. If-Match and ETag are the account's."""
    after, owner = await owners.assign_owner(tx, account, role, name=order.name, email=order.email)
    set_etag(response, after.version)
    return OwnerOut.of(owner)


@router.delete(
    "/{role}",
    status_code=204,
    dependencies=[WRITE],
    responses=responses(AccountNotFound, OwnerNotFound),
)
async def remove_owner(tx: Tx, account_id: AccountId, role: OwnerRole) -> None:
    """Leave a role on the account vacant; who held it stays in the history."""
    account = await accounts.account_to_change(tx, account_id)
    await owners.remove_owner(tx, account, role)
