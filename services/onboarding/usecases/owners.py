"""Who of ours cares for an account."""

from dataclasses import replace

from services.onboarding.domain.account import Account
from services.onboarding.domain.owner import Owner, OwnerNotFound, OwnerRole
from services.onboarding.storage import owners
from services.onboarding.usecases.accounts import touch
from shared.contracts.onboarding import OwnerAssigned, OwnerRemoved
from shared.db.transaction import Transaction
from shared.kernel.ids import new_id


async def assign_owner(
    tx: Transaction, account: Account, role: OwnerRole, *, name: str, email: str
) -> tuple[Account, Owner]:
    """Give a role on the account to a person; who held it becomes history.

    Naming the person who holds it already changes nothing. ``account`` comes from
    `account_to_change`. Raises `InvalidText` or `InvalidEmail`.
    """
    owner = Owner(account.id, f"own_{new_id().hex}", role, name, email, tx.now).checked()
    before = await owners.current(tx, account.id, role)
    if before is not None and owner.is_same_person_as(before):
        return account, before
    if before is not None:
        await owners.close(tx, before, tx.now)
    await owners.add(tx, owner)
    tx.emit(OwnerAssigned(account_id=account.id, role=role, email=owner.email, name=owner.name))
    return await touch(tx, account), owner


async def remove_owner(tx: Transaction, account: Account, role: OwnerRole) -> Owner:
    """Leave a role on the account vacant; return who held it. Raises `OwnerNotFound`."""
    before = await owners.current(tx, account.id, role)
    if before is None:
        raise OwnerNotFound
    await owners.close(tx, before, tx.now)
    tx.emit(OwnerRemoved(account_id=account.id, role=role, email=before.email))
    await touch(tx, account)
    return replace(before, valid_to=tx.now)
