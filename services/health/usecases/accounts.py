"""Look accounts up."""

from services.health.storage.account import accounts
from shared.db.transaction import Row, Transaction
from shared.kernel.errors import NotFound


class AccountUnknown(NotFound):
    """Health has not heard of this account."""


async def known_account(tx: Transaction, account_id: str) -> Row:
    """Return an account's row. Raises `AccountUnknown`."""
    row = await accounts.get(tx, account_id)
    if row is None:
        raise AccountUnknown(f"health has not heard of the account {account_id!r}")
    return row
