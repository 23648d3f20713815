"""Deliveries: the log, the queue and the leases, in one table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.notifications.domain.delivery import LEASE, Delivery, Status
from services.notifications.domain.message import Message
from services.notifications.domain.subscription import Channel
from services.notifications.storage.messages import COLUMNS as MESSAGE
from services.notifications.storage.messages import message_of
from shared.db.transaction import Transaction

_OWN = """d.id, d.channel, d.recipient, d.recipient_name, d.status, d.created_at,
d.next_attempt_at, d.attempts, d.lease_until, d.last_error, d.response_code, d.delivered_at"""
_COLUMNS = f"d.account_id, d.message_id, {_OWN}"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery with what it carries; the account's name as far as it is known."""

    delivery: Delivery
    message: Message
    account_name: str


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which deliveries to list, newest first, from before an id."""

    account_id: str | None = None
    channel: Channel | None = None
    status: Status | None = None
    before: UUID | None = None
    limit: int = 50


async def add(tx: Transaction, delivery: Delivery) -> None:
    """Keep a new delivery."""
    await tx.execute(
        "INSERT INTO deliveries (account_id, id, message_id, channel, recipient, recipient_name, "
        "status, created_at, next_attempt_at, attempts, last_error, delivered_at) VALUES "
        "(:account_id, :id, :message_id, :channel, :recipient, :recipient_name, :status, "
        ":created_at, :next_attempt_at, :attempts, :last_error, :delivered_at)",
        account_id=delivery.account_id,
        id=delivery.id,
        message_id=delivery.message_id,
        channel=delivery.channel.value,
        recipient=delivery.recipient,
        recipient_name=delivery.recipient_name,
        status=delivery.status.value,
        created_at=delivery.created_at,
        next_attempt_at=delivery.next_attempt_at,
        attempts=delivery.attempts,
        last_error=delivery.last_error,
        delivered_at=delivery.delivered_at,
    )


async def save(tx: Transaction, after: Delivery, *, leased: int | None = None) -> bool:
    """Keep how a delivery stands.

    With ``leased`` only while that attempt is still the current one; False when it is not,
    because its lease ran out and somebody else took over.
    """
    fence = "AND status = 'sending' AND attempts = :leased" if leased is not None else ""
    params: dict[str, Any] = {} if leased is None else {"leased": leased}
    saved = await tx.execute(
        "UPDATE deliveries SET recipient = :recipient, recipient_name = :recipient_name, "
        "status = :status, next_attempt_at = :next_attempt_at, attempts = :attempts, "
        "lease_until = :lease_until, last_error = :last_error, response_code = :response_code, "
        f"delivered_at = :delivered_at WHERE account_id = :account_id AND id = :id {fence}",
        account_id=after.account_id,
        id=after.id,
        recipient=after.recipient,
        recipient_name=after.recipient_name,
        status=after.status.value,
        next_attempt_at=after.next_attempt_at,
        attempts=after.attempts,
        lease_until=after.lease_until,
        last_error=after.last_error,
        response_code=after.response_code,
        delivered_at=after.delivered_at,
        **params,
    )
    return saved == 1


async def claim(tx: Transaction, channel: Channel, *, busy: Sequence[str] = ()) -> Parcel | None:
    """Lease the delivery that is due the longest, not to those who are ``busy``; None for none.

    An attempt is counted when it begins, so that what kills its sender is not tried for ever.
    """
    row = await tx.fetch_one(
        "WITH due AS (SELECT account_id, id FROM deliveries WHERE channel = :channel "
        "AND status IN ('pending', 'sending') "
        "AND GREATEST(next_attempt_at, lease_until) <= :now "
        "AND NOT recipient = ANY(CAST(:busy AS text[])) "
        "ORDER BY GREATEST(next_attempt_at, lease_until) LIMIT 1 FOR UPDATE SKIP LOCKED), "
        "d AS (UPDATE deliveries SET status = 'sending', attempts = attempts + 1, "
        "lease_until = :lease FROM due WHERE deliveries.account_id = due.account_id "
        "AND deliveries.id = due.id RETURNING deliveries.*) "
        f"SELECT {_OWN}, {MESSAGE}, COALESCE(a.name, d.account_id) AS account_name FROM d "
        "JOIN messages m ON m.account_id = d.account_id AND m.id = d.message_id "
        "LEFT JOIN accounts a ON a.account_id = d.account_id",
        channel=channel.value,
        now=tx.now,
        busy=list(busy),
        lease=tx.now + LEASE,
    )
    if row is None:
        return None
    return Parcel(_delivery(row), message_of(row), row["account_name"])


async def by_id(tx: Transaction, delivery_id: UUID) -> Delivery | None:
    """Return a delivery, locked."""
    row = await tx.fetch_one(
        f"SELECT {_COLUMNS} FROM deliveries d WHERE d.id = :id FOR UPDATE", id=delivery_id
    )
    return _delivery(row) if row else None


async def waiting_for(
    tx: Transaction, account_id: str, recipients: Sequence[str]
) -> Sequence[Delivery]:
    """Return what waits for given recipients of an account, newest first, locked."""
    rows = await tx.fetch_all(
        f"SELECT {_COLUMNS} FROM deliveries d WHERE d.account_id = :account_id "
        "AND d.status = 'pending' AND d.recipient = ANY(CAST(:recipients AS text[])) "
        "ORDER BY d.created_at DESC, d.id DESC FOR UPDATE",
        account_id=account_id,
        recipients=list(recipients),
    )
    return [_delivery(row) for row in rows]


async def exists(tx: Transaction, message_id: UUID, channel: Channel, recipient: str) -> bool:
    """Tell whether a message already has a delivery to this recipient."""
    return bool(
        await tx.fetch_value(
            "SELECT EXISTS (SELECT FROM deliveries WHERE message_id = :message_id "
            "AND channel = :channel AND recipient = :recipient)",
            message_id=message_id,
            channel=channel.value,
            recipient=recipient,
        )
    )


async def suppress_unsaid(
    tx: Transaction, account_id: str, subject: str, reason: str, because: str
) -> int:
    """Call off what was to be said about a subject later, or to whoever gets the role; count it.

    What is due is left alone: it may be on its way already.
    """
    return await tx.execute(
        "UPDATE deliveries d SET status = 'suppressed', next_attempt_at = NULL, "
        "last_error = :because FROM messages m WHERE m.account_id = d.account_id "
        "AND m.id = d.message_id AND d.account_id = :account_id AND m.subject = :subject "
        "AND m.reason = :reason AND d.status = 'pending' AND d.attempts = 0 "
        "AND (d.next_attempt_at IS NULL OR d.next_attempt_at > :now)",
        account_id=account_id,
        subject=subject,
        reason=reason,
        because=because,
        now=tx.now,
    )


async def suppress_all(tx: Transaction, recipient: str, because: str) -> int:
    """Call off everything that waits for a recipient; count it."""
    return await tx.execute(
        "UPDATE deliveries SET status = 'suppressed', next_attempt_at = NULL, "
        "lease_until = NULL, last_error = :because "
        "WHERE status = 'pending' AND recipient = :recipient",
        recipient=recipient,
        because=because,
    )


async def listed(tx: Transaction, query: LogQuery) -> Sequence[Delivery]:
    """Return the delivery log, newest first."""
    wanted: Mapping[str, Any] = {
        "account_id = :account_id": query.account_id,
        "channel = :channel": query.channel and query.channel.value,
        "status = :status": query.status and query.status.value,
        "id < :before": query.before,
    }
    chosen = {clause: value for clause, value in wanted.items() if value is not None}
    where = " AND ".join(f"d.{clause}" for clause in chosen) or "TRUE"
    params = {clause.rpartition(":")[2]: value for clause, value in chosen.items()}
    rows = await tx.fetch_all(
        f"SELECT {_COLUMNS} FROM deliveries d WHERE {where} ORDER BY d.id DESC LIMIT :limit",
        **params,
        limit=query.limit,
    )
    return [_delivery(row) for row in rows]


def _delivery(row: Mapping[Any, Any]) -> Delivery:
    return Delivery(
        account_id=row["account_id"],
        id=row["id"],
        message_id=row["message_id"],
        channel=Channel(row["channel"]),
        recipient=row["recipient"],
        recipient_name=row["recipient_name"],
        status=Status(row["status"]),
        created_at=row["created_at"],
        next_attempt_at=row["next_attempt_at"],
        attempts=row["attempts"],
        lease_until=row["lease_until"],
        last_error=row["last_error"],
        response_code=row["response_code"],
        delivered_at=row["delivered_at"],
    )
