"""The people at an account: they come, change and leave."""

from collections.abc import Mapping
from typing import Any

from services.onboarding.domain.contact import (
    Contact,
    ContactExists,
    ContactNotFound,
    ContactStatus,
)
from services.onboarding.storage import contacts
from services.onboarding.usecases.accounts import account_to_change
from shared.contracts.onboarding import ContactAdded, ContactLeft
from shared.db.transaction import Transaction
from shared.kernel.ids import new_id


async def add_contact(tx: Transaction, account_id: str, fields: Mapping[str, Any]) -> Contact:
    """Note a person at the account, in the account's time zone unless another is given.

    Raises `AccountNotFound`, `ContactExists`, and what `Contact.checked` raises.
    """
    account = await account_to_change(tx, account_id)
    fields = {"time_zone": account.time_zone, **fields}
    contact = Contact(account_id=account_id, id=f"con_{new_id().hex}", **fields).checked()
    await _refuse_twin(tx, contact)
    await contacts.add(tx, contact)
    _say_added(tx, contact)
    return contact


async def contact_to_change(tx: Transaction, account_id: str, contact_id: str) -> Contact:
    """Return a contact that nobody else changes before this transaction ends.

    Raises `AccountNotFound` or `ContactNotFound`.
    """
    await account_to_change(tx, account_id)
    return await known_contact(tx, account_id, contact_id)


async def known_contact(tx: Transaction, account_id: str, contact_id: str) -> Contact:
    """Return a contact. Raises `ContactNotFound`."""
    contact = await contacts.find(tx, account_id, contact_id)
    if contact is None:
        raise ContactNotFound
    return contact


async def edit_contact(tx: Transaction, before: Contact, changes: Mapping[str, Any]) -> Contact:
    """Change a contact; a person who leaves, returns or changes role is told to others.

    ``before`` comes from `contact_to_change`. Raises `ContactExists`, and what
    `Contact.changed` raises.
    """
    after = before.changed(changes)
    if after == before:
        return before
    await _refuse_twin(tx, after)
    await contacts.save(tx, after)
    if after.has_left and not before.has_left:
        # The role they had here, should the same edit have changed it.
        await _say_left(tx, before)
    elif after.is_news_after(before):
        _say_added(tx, after)
    return after


async def let_go(tx: Transaction, before: Contact) -> Contact:
    """Note that a person left the account; one who is gone already stays gone."""
    return await edit_contact(tx, before, {"status": ContactStatus.LEFT})


async def _refuse_twin(tx: Transaction, contact: Contact) -> None:
    if await contacts.is_known(tx, contact):
        raise ContactExists


def _say_added(tx: Transaction, contact: Contact) -> None:
    tx.emit(ContactAdded(account_id=contact.account_id, contact_id=contact.id, role=contact.role))


async def _say_left(tx: Transaction, contact: Contact) -> None:
    is_last = await contacts.is_last_in_role(tx, contact)
    tx.emit(
        ContactLeft(
            account_id=contact.account_id,
            contact_id=contact.id,
            role=contact.role,
            last_in_role=is_last,
        )
    )
