"""Knowing the accounts and who cares for them."""

from services.notifications.domain.person import Person, Role
from services.notifications.storage import audience
from services.notifications.usecases import alerts
from shared.db.transaction import Transaction


async def describe_account(
    tx: Transaction, account_id: str, *, name: str, segment: str, time_zone: str
) -> None:
    """Keep what an account is called, and what routing filters by."""
    await audience.describe(tx, account_id, name=name, segment=segment, time_zone=time_zone)


async def assign_owner(tx: Transaction, account_id: str, role: Role, person: Person) -> None:
    """Keep who holds a role; what waited for somebody in that role goes to them."""
    await audience.lock(tx, account_id)
    await audience.assign(tx, account_id, role, person, tx.now)
    await alerts.hand_over(tx, account_id, role, person)


async def remove_owner(tx: Transaction, account_id: str, role: Role, email: str) -> None:
    """Forget that a person holds a role."""
    await audience.lock(tx, account_id)
    await audience.vacate(tx, account_id, role, email)
