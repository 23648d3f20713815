"""What is known of accounts: name, segment, and who holds which role."""

from datetime import datetime

from services.notifications.domain.person import Audience, Person, Role
from shared.db.transaction import Transaction


async def lock(tx: Transaction, account_id: str) -> None:
    """Let nobody else decide about this account until this transaction ends.

    Owners and risks come from different topics: without it, an alert could look for its owner
    while the owner looks for alerts, and neither would see the other.
    """
    await tx.execute(
        "INSERT INTO accounts (account_id) VALUES (:account_id) ON CONFLICT DO NOTHING",
        account_id=account_id,
    )
    await tx.execute(
        "SELECT 1 FROM accounts WHERE account_id = :account_id FOR UPDATE", account_id=account_id
    )


async def describe(
    tx: Transaction, account_id: str, *, name: str, segment: str, time_zone: str
) -> None:
    """Keep what an account is called and like."""
    await tx.execute(
        "INSERT INTO accounts (account_id, name, segment, time_zone) "
        "VALUES (:account_id, :name, :segment, :time_zone) ON CONFLICT (account_id) DO UPDATE "
        "SET name = EXCLUDED.name, segment = EXCLUDED.segment, time_zone = EXCLUDED.time_zone",
        account_id=account_id,
        name=name,
        segment=segment,
        time_zone=time_zone,
    )


async def of(tx: Transaction, account_id: str) -> Audience:
    """Return what is known of an account; of an unknown one, nothing."""
    segment = await tx.fetch_value(
        "SELECT segment FROM accounts WHERE account_id = :account_id", account_id=account_id
    )
    rows = await tx.fetch_all(
        "SELECT role, email, name FROM owners WHERE account_id = :account_id ORDER BY role",
        account_id=account_id,
    )
    owners = {row["role"]: Person(row["email"], row["name"]) for row in rows}
    return Audience(account_id, segment, owners)


async def assign(
    tx: Transaction, account_id: str, role: Role, person: Person, at: datetime
) -> None:
    """Keep who holds a role from now on."""
    await tx.execute(
        "INSERT INTO owners (account_id, role, email, name, assigned_at) "
        "VALUES (:account_id, :role, :email, :name, :at) ON CONFLICT (account_id, role) "
        "DO UPDATE SET email = EXCLUDED.email, name = EXCLUDED.name, "
        "assigned_at = EXCLUDED.assigned_at",
        account_id=account_id,
        role=role.value,
        email=person.email,
        name=person.name,
        at=at,
    )


async def vacate(tx: Transaction, account_id: str, role: Role, email: str) -> None:
    """Forget that a person holds a role; nothing changes when somebody else does by now."""
    await tx.execute(
        "DELETE FROM owners WHERE account_id = :account_id AND role = :role AND email = :email",
        account_id=account_id,
        role=role.value,
        email=email,
    )
