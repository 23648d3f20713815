"""Contracts over HTTP."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response

from services.renewals import storage, usecases
from services.renewals.api.shapes import (
    AccountId,
    ContractAmendment,
    ContractOrder,
)
from services.renewals.api.shown import ContractShown
from services.renewals.domain.account import Account, AccountNotFound
from services.renewals.domain.contract import (
    ContractNotFound,
    NewContract,
    NoticeDueBeforeTerm,
    Term,
    TermChange,
    TermEndsBeforeItStarts,
)
from shared.kernel.money import Money
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

router = api_router("/api/v1/accounts/{account_id}/contracts", tags=["contracts"])
READ = [authorize("renewals:read")]
WRITE = [authorize("renewals:write")]


@dataclass(frozen=True, slots=True)
class ContractKey:
    """Which contract a path names."""

    account_id: str
    contract_id: UUID


async def contract_key(account_id: AccountId, contract_id: UUID) -> ContractKey:
    """Return the contract a path names."""
    return ContractKey(account_id, contract_id)


ContractPath = Annotated[ContractKey, Depends(contract_key)]


@router.post(
    "",
    status_code=201,
    dependencies=WRITE,
    responses=responses(TermEndsBeforeItStarts, NoticeDueBeforeTerm),
)
async def sign_contract(
    account_id: AccountId, order: ContractOrder, tx: Tx, response: Response
) -> ContractShown:
    """Sign a contract. Its renewal exists from now on.

    The account may be one that renewals has not heard of yet: its contract may be quicker than
    the news that it was opened.
    """
    contract = await usecases.sign_contract(tx, _new_contract(account_id, order))
    set_etag(response, contract.version)
    response.headers["Location"] = f"/api/v1/accounts/{account_id}/contracts/{contract.contract_id}"
    account = await storage.account(tx, account_id) or Account(account_id)
    return ContractShown.of(contract, account, tx.now)


@router.get("", dependencies=READ, responses=responses(AccountNotFound, InvalidCursor))
async def list_contracts(account_id: AccountId, tx: Tx, page: PageQuery) -> Page[ContractShown]:
    """List an account's contracts in the order they were signed."""
    account = await storage.account(tx, account_id)
    if account is None:
        raise AccountNotFound
    after = page.after(contract_id=UUID) or {}
    rows = await storage.contracts(tx, account_id, after=after.get("contract_id"), limit=page.fetch)
    return page.page(
        rows,
        item=lambda contract: ContractShown.of(contract, account, tx.now),
        key=lambda contract: {"contract_id": contract.contract_id},
    )


@router.get("/{contract_id}", dependencies=READ, responses=responses(ContractNotFound))
async def get_contract(
    account_id: AccountId, contract_id: UUID, tx: Tx, response: Response
) -> ContractShown:
    """Return a contract."""
    account = await storage.account(tx, account_id)
    contract = await storage.contract(tx, account_id, contract_id)
    if account is None or contract is None:
        raise ContractNotFound
    set_etag(response, contract.version)
    return ContractShown.of(contract, account, tx.now)


@router.patch(
    "/{contract_id}",
    dependencies=WRITE,
    responses=responses(
        ContractNotFound,
        TermEndsBeforeItStarts,
        NoticeDueBeforeTerm,
        PreconditionFailed,
        PreconditionRequired,
    ),
)
async def amend_contract(
    at: ContractPath, amendment: ContractAmendment, expected: IfMatch, tx: Tx, response: Response
) -> ContractShown:
    """Change the dates of a contract's term; the windows before the notice date move with them."""
    before = await usecases.contract_to_amend(tx, at.account_id, at.contract_id)
    check_version(expected, before.version)
    contract = await usecases.amend_contract(tx, before, TermChange(**amendment.model_dump()))
    set_etag(response, contract.version)
    account = await storage.account(tx, at.account_id) or Account(at.account_id)
    return ContractShown.of(contract, account, tx.now)


def _new_contract(account_id: str, order: ContractOrder) -> NewContract:
    term = Term(
        starts_on=order.starts_on,
        ends_on=order.ends_on,
        notice_period_days=order.notice_period_days,
        auto_renew=order.auto_renew,
    )
    amount = Money(order.amount.amount_minor, order.amount.currency)
    return NewContract(account_id=account_id, term=term, seats=order.seats, amount=amount)
