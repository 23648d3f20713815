"""Contacts as rows."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import RowMapping

from services.onboarding.domain.contact import (
    Channel,
    Contact,
    ContactRole,
    ContactStatus,
)
from shared.db.transaction import Transaction


async def find(tx: Transaction, account_id: str, contact_id: str) -> Contact | None:
    """Return a contact of an account, or None."""
    row = await tx.fetch_one(
        "SELECT * FROM contacts WHERE account_id = :account_id AND contact_id = :contact_id",
        account_id=account_id,
        contact_id=contact_id,
    )
    return _contact(row) if row else None


async def listed(
    tx: Transaction,
    account_id: str,
    *,
    status: ContactStatus | None,
    after: str | None,
    limit: int,
) -> Sequence[Contact]:
    """Return contacts of an account by id, after one; of one status if asked for."""
    rows = await tx.fetch_all(
        "SELECT * FROM contacts WHERE account_id = :account_id "
        "AND (CAST(:status AS text) IS NULL OR status = :status) "
        "AND (CAST(:after AS text) IS NULL OR contact_id > :after) "
        "ORDER BY contact_id LIMIT :limit",
        account_id=account_id,
        status=status,
        after=after,
        limit=limit,
    )
    return [_contact(row) for row in rows]


async def is_known(tx: Transaction, contact: Contact) -> bool:
    """Tell whether another contact of the account has the same address, in any case."""
    found = await tx.fetch_value(
        "SELECT EXISTS (SELECT FROM contacts WHERE account_id = :account_id "
        "AND lower(email) = lower(:email) AND contact_id <> :contact_id)",
        account_id=contact.account_id,
        email=contact.email,
        contact_id=contact.id,
    )
    return bool(found)


async def is_last_in_role(tx: Transaction, contact: Contact) -> bool:
    """Tell whether nobody else who is still there has the contact's role."""
    found = await tx.fetch_value(
        "SELECT NOT EXISTS (SELECT FROM contacts WHERE account_id = :account_id "
        "AND role = :role AND status = :active AND contact_id <> :contact_id)",
        account_id=contact.account_id,
        role=contact.role,
        active=ContactStatus.ACTIVE,
        contact_id=contact.id,
    )
    return bool(found)


async def add(tx: Transaction, contact: Contact) -> None:
    """Keep a new contact."""
    await tx.execute(
        "INSERT INTO contacts (account_id, contact_id, name, email, role, external_user_id, "
        "language, time_zone, channel, do_not_contact, status, version) VALUES (:account_id, :id, "
        ":name, :email, :role, :external_user_id, :language, :time_zone, :channel, "
        ":do_not_contact, :status, :version)",
        **asdict(contact),
    )


async def save(tx: Transaction, contact: Contact) -> None:
    """Keep a contact's new version."""
    await tx.execute(
        "UPDATE contacts SET name = :name, email = :email, role = :role, "
        "external_user_id = :external_user_id, language = :language, time_zone = :time_zone, "
        "channel = :channel, do_not_contact = :do_not_contact, status = :status, "
        "version = :version WHERE account_id = :account_id AND contact_id = :id",
        **asdict(contact),
    )


def _contact(row: RowMapping) -> Contact:
    columns = {name: value for name, value in row.items() if name != "contact_id"}
    return Contact(
        **{
            **columns,
            "id": row["contact_id"],
            "role": ContactRole(row["role"]),
            "channel": Channel(row["channel"]),
            "status": ContactStatus(row["status"]),
        }
    )
