"""Accounts. The account's row is the lock under which everything about it is decided."""

from services.renewals.domain.account import Account
from shared.db.transaction import Transaction

_SELECT = "SELECT account_id, segment, time_zone FROM accounts WHERE account_id = :account_id"


async def account(tx: Transaction, account_id: str) -> Account | None:
    """Return an account that anything is known about."""
    row = await tx.fetch_one(_SELECT, account_id=account_id)
    return Account(**row) if row else None


async def lock_account(tx: Transaction, account_id: str) -> Account:
    """Return an account, noted now if it was unknown; others wait until this transaction ends.

    Facts about one account come from several topics and from HTTP at once: without the lock a
    contract and a risk that arrive together would not see each other.
    """
    await tx.execute(
        "INSERT INTO accounts (account_id, time_zone) VALUES (:account_id, :time_zone) "
        "ON CONFLICT (account_id) DO NOTHING",
        account_id=account_id,
        time_zone=Account(account_id).time_zone,
    )
    row = await tx.fetch_one(f"{_SELECT} FOR UPDATE", account_id=account_id)
    return Account(**row) if row else Account(account_id)


async def lock_account_or_fail(tx: Transaction, account_id: str) -> Account | None:
    """Return an account, locked; fail at once with a transient error when somebody has it.

    For timers, which hold their own row already: waiting here for somebody who waits for that
    row would be a deadlock.
    """
    row = await tx.fetch_one(f"{_SELECT} FOR UPDATE NOWAIT", account_id=account_id)
    return Account(**row) if row else None


async def save_account(tx: Transaction, account: Account) -> None:
    """Store what is now known of an account."""
    await tx.execute(
        "UPDATE accounts SET segment = :segment, time_zone = :time_zone "
        "WHERE account_id = :account_id",
        account_id=account.account_id,
        segment=account.segment,
        time_zone=account.time_zone,
    )
