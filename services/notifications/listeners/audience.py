"""Who there is to tell: accounts and their owners."""

from services.notifications.domain.person import Person, Role
from services.notifications.usecases import audience
from shared.bus.listeners import Listener, on
from shared.contracts.onboarding import AccountChanged, AccountOpened, OwnerAssigned, OwnerRemoved
from shared.db.transaction import Transaction

_ROLES = frozenset(Role) - {Role.EVERYONE}


async def note_account(tx: Transaction, fact: AccountOpened | AccountChanged) -> None:
    """Know what an account is called and like."""
    await audience.describe_account(
        tx, fact.account_id, name=fact.name, segment=fact.segment, time_zone=fact.time_zone
    )


async def note_owner(tx: Transaction, fact: OwnerAssigned) -> None:
    """Know who holds a role, and give them what waited; a role that is new to us is passed over."""
    if fact.role in _ROLES:
        person = Person(fact.email.strip().lower(), fact.name)
        await audience.assign_owner(tx, fact.account_id, Role(fact.role), person)


async def note_vacancy(tx: Transaction, fact: OwnerRemoved) -> None:
    """Know that nobody holds a role."""
    if fact.role in _ROLES:
        email = fact.email.strip().lower()
        await audience.remove_owner(tx, fact.account_id, Role(fact.role), email)


LISTENERS: tuple[Listener, ...] = (
    on(AccountOpened, note_account),
    on(AccountChanged, note_account),
    on(OwnerAssigned, note_owner),
    on(OwnerRemoved, note_vacancy),
)
