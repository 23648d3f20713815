"""Subscriptions."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from services.notifications.domain.person import Person, Role
from services.notifications.domain.severity import Severity
from services.notifications.domain.subscription import Channel, Filter, Recipient, Subscription
from shared.db.transaction import Transaction

_COLUMNS = (
    "id, role, email, name, endpoint_id, channels, events, segment, min_severity, account_ids, "
    "created_at"
)


async def add(tx: Transaction, subscription: Subscription) -> None:
    """Keep a new subscription."""
    recipient, wanted = subscription.recipient, subscription.filter
    person = recipient if isinstance(recipient, Person) else None
    await tx.execute(
        f"INSERT INTO subscriptions ({_COLUMNS}) VALUES (:id, :role, :email, :name, "
        ":endpoint_id, CAST(:channels AS text[]), CAST(:events AS text[]), :segment, "
        ":min_severity, CAST(:account_ids AS text[]), :created_at)",
        id=subscription.id,
        role=recipient.value if isinstance(recipient, Role) else None,
        email=person.email if person else None,
        name=person.name if person else None,
        endpoint_id=recipient if isinstance(recipient, UUID) else None,
        channels=[channel.value for channel in subscription.channels],
        events=list(subscription.events),
        segment=wanted.segment,
        min_severity=wanted.min_severity.value if wanted.min_severity else None,
        account_ids=list(wanted.account_ids),
        created_at=subscription.created_at,
    )


async def remove(tx: Transaction, subscription_id: UUID) -> bool:
    """Forget a subscription; False when there is none."""
    return await tx.execute("DELETE FROM subscriptions WHERE id = :id", id=subscription_id) == 1


async def by_id(tx: Transaction, subscription_id: UUID) -> Subscription | None:
    """Return a subscription."""
    row = await tx.fetch_one(
        f"SELECT {_COLUMNS} FROM subscriptions WHERE id = :id", id=subscription_id
    )
    return _subscription(row) if row else None


async def every(tx: Transaction) -> Sequence[Subscription]:
    """Return all subscriptions."""
    rows = await tx.fetch_all(f"SELECT {_COLUMNS} FROM subscriptions ORDER BY id")
    return [_subscription(row) for row in rows]


async def listed(tx: Transaction, *, before: UUID | None, limit: int) -> Sequence[Subscription]:
    """Return subscriptions, newest first."""
    rows = await tx.fetch_all(
        f"SELECT {_COLUMNS} FROM subscriptions "
        "WHERE CAST(:before AS uuid) IS NULL OR id < :before ORDER BY id DESC LIMIT :limit",
        before=before,
        limit=limit,
    )
    return [_subscription(row) for row in rows]


def _subscription(row: Mapping[Any, Any]) -> Subscription:
    least = row["min_severity"]
    return Subscription(
        id=row["id"],
        recipient=_recipient(row),
        channels=tuple(Channel(each) for each in row["channels"]),
        events=tuple(row["events"]),
        filter=Filter(
            segment=row["segment"],
            min_severity=Severity(least) if least else None,
            account_ids=tuple(row["account_ids"]),
        ),
        created_at=row["created_at"],
    )


def _recipient(row: Mapping[Any, Any]) -> Recipient:
    if row["role"] is not None:
        return Role(row["role"])
    if row["email"] is not None:
        return Person(row["email"], row["name"])
    endpoint_id: UUID = row["endpoint_id"]
    return endpoint_id
