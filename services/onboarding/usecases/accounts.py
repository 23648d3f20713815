"""Opening and changing accounts."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from services.onboarding.domain.account import (
    Account,
    AccountExists,
    AccountNotFound,
    NewAccount,
    ignored_traits,
)
from services.onboarding.domain.template import Templates
from services.onboarding.storage import accounts
from services.onboarding.usecases import landing
from shared.contracts.onboarding import AccountChanged, AccountOpened
from shared.db.transaction import Transaction
from shared.kernel.days import local_day, zone_of
from shared.observability.logging import get_logger

log = get_logger(__name__)


async def open_account(
    tx: Transaction, order: NewAccount, *, templates: Templates, start_onboarding: bool
) -> Account:
    """Open an account, and the plan of its segment with it.

    ``start_onboarding=False`` is for a customer who landed long ago. Raises `AccountExists`, and
    what `Account.opened` raises.
    """
    account = Account.opened(order, at=tx.now)
    await accounts.hold(tx, account.id)
    if await accounts.find(tx, account.id):
        raise AccountExists(account_id=account.id)
    await _keep_opened(tx, account)
    if start_onboarding:
        await landing.start(tx, account, templates.for_segment(account.segment))
    return account


async def account_to_change(tx: Transaction, account_id: str) -> Account:
    """Return an account that nobody else changes before this transaction ends.

    Raises `AccountNotFound`.
    """
    await accounts.hold(tx, account_id)
    return await known_account(tx, account_id)


async def known_account(tx: Transaction, account_id: str) -> Account:
    """Return an account. Raises `AccountNotFound`."""
    account = await accounts.find(tx, account_id)
    if account is None:
        raise AccountNotFound
    return account


async def edit_account(tx: Transaction, before: Account, changes: Mapping[str, str]) -> Account:
    """Change name, segment or time zone on the word of a person.

    A plan keeps the template and the due days it was opened with; only the moment at which those
    days end moves with the zone. ``before`` comes from `account_to_change`.
    """
    after = before.edited(changes)
    await _keep_change(tx, before, after)
    return after


async def heed_product(tx: Transaction, account_id: str, traits: Mapping[str, Any]) -> None:
    """Open or describe an account as its product backend names it.

    It is in use already, so no plan is opened. What a person stated stays; a trait that cannot be
    used is logged by name and otherwise ignored: a bad trait must not cost us the account.
    """
    if ignored := ignored_traits(traits):
        log.warning("traits_ignored", account_id=account_id, traits=ignored)
    await accounts.hold(tx, account_id)
    before = await accounts.find(tx, account_id)
    if before is None:
        await _keep_opened(tx, Account.discovered(account_id, traits, at=tx.now))
    else:
        await _keep_change(tx, before, before.described(traits))


async def heed_contract(
    tx: Transaction, account_id: str, *, starts_on: date, templates: Templates
) -> None:
    """Open the account of a contract if it is unknown: day one starts at signature.

    A plan is opened too, unless the customer's landing days are over: then the contract was
    imported, or signed again.
    """
    await accounts.hold(tx, account_id)
    if await accounts.find(tx, account_id):
        return
    account = Account.discovered(account_id, {}, at=tx.now)
    await _keep_opened(tx, account)
    template = templates.for_segment(account.segment)
    if template.is_landing(starts_on, today=local_day(tx.now, zone_of(account.time_zone))):
        await landing.start(tx, account, template)


async def touch(tx: Transaction, account: Account) -> Account:
    """Count a change to what hangs on an account as a change of it."""
    after = account.touched()
    await accounts.save(tx, after)
    return after


async def _keep_opened(tx: Transaction, account: Account) -> None:
    await accounts.add(tx, account)
    tx.emit(
        AccountOpened(
            account_id=account.id,
            name=account.name,
            segment=account.segment,
            time_zone=account.time_zone,
            opened_at=account.opened_at,
        )
    )


async def _keep_change(tx: Transaction, before: Account, after: Account) -> None:
    if after == before:
        return
    await accounts.save(tx, after)
    if after.looks_like(before):
        return
    tx.emit(
        AccountChanged(
            account_id=after.id,
            name=after.name,
            segment=after.segment,
            time_zone=after.time_zone,
        )
    )
    if after.time_zone != before.time_zone:
        await landing.move_deadlines(tx, after)
