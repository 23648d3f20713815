"""Accounts over HTTP."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import Query, Response
from pydantic import BaseModel, Field, StrictBool

from services.onboarding import gateways
from services.onboarding.api.common import (
    PREFIX,
    READ,
    WRITE,
    AccountId,
    Change,
    MatchedAccount,
    Order,
    Text,
    TimeZone,
)
from services.onboarding.domain.account import (
    DEFAULT_SEGMENT,
    DEFAULT_TIME_ZONE,
    Account,
    AccountExists,
    AccountNotFound,
    InvalidAccountId,
    InvalidSegment,
    NewAccount,
)
from services.onboarding.domain.wording import InvalidText, UnknownTimeZone
from services.onboarding.storage import accounts as stored
from services.onboarding.usecases import accounts
from shared.kernel.ids import new_id
from shared.web.deps import Tx
from shared.web.etags import PreconditionFailed, PreconditionRequired, set_etag
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import api_router

router = api_router(PREFIX, tags=["accounts"])

Segment = Annotated[
    str,
    Field(
        min_length=1,
        max_length=40,
        description="enterprise, mid, smb, or a lower-case word of your own.",
        examples=["enterprise"],
    ),
]


class OpenAccount(Order):
    """A customer whose account is to be opened."""

    account_id: str | None = Field(
        default=None,
        max_length=128,
        description="The id your product uses; one is made when there is none.",
        examples=["acme"],
    )
    name: Text = Field(examples=["Acme GmbH"])
    segment: Segment = DEFAULT_SEGMENT
    time_zone: TimeZone = DEFAULT_TIME_ZONE
    start_onboarding: StrictBool = Field(
        default=True, description="false for a customer who landed long ago: no plan is opened."
    )

    def to_domain(self) -> NewAccount:
        """Return the order, with an id."""
        return NewAccount(
            account_id=f"acc_{new_id().hex}" if self.account_id is None else self.account_id,
            name=self.name,
            segment=self.segment,
            time_zone=self.time_zone,
        )


class ChangeAccount(Change):
    """What is to be different about an account."""

    name: Text | None = Field(default=None, examples=["Acme SE"])
    segment: Segment | None = None
    time_zone: TimeZone | None = None


class AccountOut(BaseModel):
    """An account. `version` is its ETag; assigning and removing owners counts."""

    account_id: str = Field(examples=["acme"])
    name: str = Field(examples=["Acme GmbH"])
    segment: str = Field(examples=["enterprise"])
    time_zone: str = Field(examples=["Europe/Berlin"])
    opened_at: datetime
    version: int = Field(examples=[1])

    @classmethod
    def of(cls, account: Account) -> Self:
        """Return an account as people see it."""
        return cls(
            account_id=account.id,
            name=account.name,
            segment=account.segment,
            time_zone=account.time_zone,
            opened_at=account.opened_at,
            version=account.version,
        )


@router.post(
    "",
    status_code=201,
    dependencies=[WRITE],
    responses=responses(
        AccountExists, InvalidAccountId, InvalidSegment, InvalidText, UnknownTimeZone
    ),
)
async def open_account(tx: Tx, order: OpenAccount, response: Response) -> AccountOut:
    """Open an account and, unless told otherwise, its onboarding plan."""
    account = await accounts.open_account(
        tx,
        order.to_domain(),
        templates=gateways.templates(),
        start_onboarding=order.start_onboarding,
    )
    response.headers["Location"] = f"{PREFIX}/{account.id}"
    return _shown(account, response)


@router.get("", dependencies=[READ], responses=responses(InvalidCursor))
async def list_accounts(
    tx: Tx,
    paging: PageQuery,
    segment: Annotated[str | None, Query(max_length=40)] = None,
    owner_email: Annotated[
        str | None, Query(max_length=254, description="Only accounts this person owns now.")
    ] = None,
) -> Page[AccountOut]:
    """List accounts by id."""
    after = paging.after(account_id=str)
    found = await stored.listed(
        tx,
        segment=segment,
        owner_email=owner_email,
        after=after["account_id"] if after else None,
        limit=paging.fetch,
    )
    return paging.page(found, item=AccountOut.of, key=lambda last: {"account_id": last.id})


@router.get("/{account_id}", dependencies=[READ], responses=responses(AccountNotFound))
async def get_account(tx: Tx, account_id: AccountId, response: Response) -> AccountOut:
    """Show an account; its ETag is what PATCH and the owners' PUT ask for."""
    return _shown(await accounts.known_account(tx, account_id), response)


@router.patch(
    "/{account_id}",
    dependencies=[WRITE],
    responses=responses(
        AccountNotFound,
        PreconditionRequired,
        PreconditionFailed,
        InvalidSegment,
        InvalidText,
        UnknownTimeZone,
    ),
)
async def change_account(
    tx: Tx, account: MatchedAccount, change: ChangeAccount, response: Response
) -> AccountOut:
    """Change an account; what a person says here is not overwritten by the product's traits."""
    changes = change.model_dump(exclude_unset=True)
    return _shown(await accounts.edit_account(tx, account, changes), response)


def _shown(account: Account, response: Response) -> AccountOut:
    set_etag(response, account.version)
    return AccountOut.of(account)
