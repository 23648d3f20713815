"""Saves over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from services.renewals import storage
from services.renewals.api.shapes import AccountId
from services.renewals.api.shown import SaveShown
from services.renewals.domain.account import AccountNotFound
from services.renewals.domain.save import Save
from shared.web.deps import Tx, authorize
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery, Paging
from shared.web.routing import api_router

router = api_router("/api/v1", tags=["saves"], dependencies=[authorize("renewals:read")])

IsOpen = Annotated[
    bool | None, Query(alias="open", description="Only open saves, or only closed ones.")
]


@router.get("/saves", responses=responses(InvalidCursor))
async def list_saves(tx: Tx, page: PageQuery, is_open: IsOpen = None) -> Page[SaveShown]:
    """List the saves of all accounts, newest first."""
    return _page(
        page,
        await storage.saves(
            tx, account_id=None, is_open=is_open, before=_before(page), limit=page.fetch
        ),
    )


@router.get("/accounts/{account_id}/saves", responses=responses(AccountNotFound, InvalidCursor))
async def list_saves_of_account(
    account_id: AccountId, tx: Tx, page: PageQuery, is_open: IsOpen = None
) -> Page[SaveShown]:
    """List the saves of an account, newest first."""
    if await storage.account(tx, account_id) is None:
        raise AccountNotFound
    return _page(
        page,
        await storage.saves(
            tx, account_id=account_id, is_open=is_open, before=_before(page), limit=page.fetch
        ),
    )


def _before(page: Paging) -> UUID | None:
    return (page.after(save_id=UUID) or {}).get("save_id")


def _page(page: Paging, saves: list[Save]) -> Page[SaveShown]:
    return page.page(saves, item=SaveShown.of, key=lambda save: {"save_id": save.save_id})
