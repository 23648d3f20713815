"""Accounts as rows."""

from collections.abc import Sequence

from sqlalchemy import RowMapping

from services.onboarding.domain.account import Account
from shared.db.transaction import Transaction


async def hold(tx: Transaction, account_id: str) -> None:
    """Let no other transaction decide about this account, known or not, until this one ends.

    A row lock could not hold an account that does not exist yet.
    """
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtext('onboarding account'), hashtext(:account_id))",
        account_id=account_id,
    )


async def find(tx: Transaction, account_id: str) -> Account | None:
    """Return an account, or None."""
    row = await tx.fetch_one(
        "SELECT * FROM accounts WHERE account_id = :account_id", account_id=account_id
    )
    return _account(row) if row else None


async def listed(
    tx: Transaction,
    *,
    segment: str | None,
    owner_email: str | None,
    after: str | None,
    limit: int,
) -> Sequence[Account]:
    """Return accounts by id, after one; of a segment, of whom an address owns now."""
    rows = await tx.fetch_all(
        "SELECT * FROM accounts AS a "
        "WHERE (CAST(:segment AS text) IS NULL OR a.segment = :segment) "
        "AND (CAST(:after AS text) IS NULL OR a.account_id > :after) "
        "AND (CAST(:owner AS text) IS NULL OR EXISTS (SELECT FROM owners AS o "
        "WHERE o.account_id = a.account_id AND o.valid_to IS NULL "
        "AND lower(o.email) = lower(:owner))) "
        "ORDER BY a.account_id LIMIT :limit",
        segment=segment,
        owner=owner_email,
        after=after,
        limit=limit,
    )
    return [_account(row) for row in rows]


async def add(tx: Transaction, account: Account) -> None:
    """Keep a new account."""
    await tx.execute(
        "INSERT INTO accounts (account_id, name, segment, time_zone, opened_at, stated, version) "
        "VALUES (:account_id, :name, :segment, :time_zone, :opened_at, "
        "CAST(:stated AS text[]), :version)",
        opened_at=account.opened_at,
        **_values(account),
    )


async def save(tx: Transaction, account: Account) -> None:
    """Keep an account's new version."""
    await tx.execute(
        "UPDATE accounts SET name = :name, segment = :segment, time_zone = :time_zone, "
        "stated = CAST(:stated AS text[]), version = :version WHERE account_id = :account_id",
        **_values(account),
    )


def _values(account: Account) -> dict[str, object]:
    return {
        "account_id": account.id,
        "name": account.name,
        "segment": account.segment,
        "time_zone": account.time_zone,
        "stated": sorted(account.stated),
        "version": account.version,
    }


def _account(row: RowMapping) -> Account:
    return Account(
        id=row["account_id"],
        name=row["name"],
        segment=row["segment"],
        time_zone=row["time_zone"],
        opened_at=row["opened_at"],
        stated=frozenset(row["stated"]),
        version=row["version"],
    )
