"""What health does when it hears facts of other services."""

from services.health.domain.score.score import Signal
from services.health.storage.account import accounts
from services.health.usecases.signal.signals import record_signal
from shared.bus.listeners import Listener, on
from shared.contracts.onboarding import AccountChanged, AccountOpened, ContactAdded, ContactLeft
from shared.db.transaction import Transaction

_CHAMPION = "champion"


async def note_account(tx: Transaction, fact: AccountOpened | AccountChanged) -> None:
    """Keep the segment and the time zone: they choose peers and days."""
    await accounts.upsert(tx, fact.account_id, fact.segment, fact.time_zone)


async def note_contact_added(tx: Transaction, fact: ContactAdded) -> None:
    """Close the risk that the last champion left behind, when there is a new one."""
    if fact.role == _CHAMPION:
        await _record(tx, fact.account_id, "champion_named")


async def note_contact_left(tx: Transaction, fact: ContactLeft) -> None:
    """Open a risk when the last champion leaves."""
    if fact.role == _CHAMPION and fact.last_in_role:
        await _record(tx, fact.account_id, "champion_left")


async def _record(tx: Transaction, account_id: str, signal: str) -> None:
    at = tx.cause.time if tx.cause else tx.now
    origin = ("onboarding", tx.cause.id if tx.cause else None)
    await record_signal(tx, account_id, Signal(signal, at), origin)


LISTENERS: tuple[Listener, ...] = (
    on(AccountOpened, note_account),
    on(AccountChanged, note_account),
    on(ContactAdded, note_contact_added),
    on(ContactLeft, note_contact_left),
)
