"""Messages, and the situations they are about."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.notifications.domain.kinds import MessageKind
from services.notifications.domain.message import Message, Notice, Situation
from services.notifications.domain.severity import Severity
from shared.db.transaction import Transaction

COLUMNS = """m.id AS message_id, m.account_id, m.key, m.kind, m.reason, m.severity, m.title,
m.explanation, m.next_step, m.subject, m.rules, m.happened_at, m.created_at AS said_at"""
"""What `message_of` reads, from the table messages as ``m``."""


async def add(tx: Transaction, message: Message) -> bool:
    """Keep a message; return False when the same was said before."""
    notice = message.notice
    added = await tx.execute(
        "INSERT INTO messages (account_id, id, key, kind, reason, severity, title, explanation, "
        "next_step, subject, rules, happened_at, created_at) VALUES (:account_id, :id, :key, "
        ":kind, :reason, :severity, :title, :explanation, :next_step, :subject, :rules, "
        ":happened_at, :created_at) ON CONFLICT (account_id, key) DO NOTHING",
        account_id=notice.account_id,
        id=message.id,
        key=message.key,
        kind=notice.kind.value,
        reason=notice.reason,
        severity=notice.severity.value,
        title=notice.title,
        explanation=notice.explanation,
        next_step=notice.next_step,
        subject=notice.subject,
        rules=message.rules,
        happened_at=notice.happened_at,
        created_at=message.created_at,
    )
    return added == 1


async def by_ids(tx: Transaction, account_id: str, ids: Sequence[UUID]) -> Mapping[UUID, Message]:
    """Return messages of an account by their ids."""
    rows = await tx.fetch_all(
        f"SELECT {COLUMNS} FROM messages m WHERE m.account_id = :account_id "
        "AND m.id = ANY(CAST(:ids AS uuid[]))",
        account_id=account_id,
        ids=list(ids),
    )
    return {row["message_id"]: message_of(row) for row in rows}


def message_of(row: Mapping[Any, Any]) -> Message:
    """Return the message of a row that selected `COLUMNS`."""
    notice = Notice(
        account_id=row["account_id"],
        kind=MessageKind(row["kind"]),
        reason=row["reason"],
        severity=Severity(row["severity"]),
        title=row["title"],
        explanation=row["explanation"],
        next_step=row["next_step"],
        subject=row["subject"],
        happened_at=row["happened_at"],
    )
    return Message(row["message_id"], notice, row["key"], row["rules"], row["said_at"])


async def risk_title(tx: Transaction, account_id: str, reason: str) -> str | None:
    """Return the headline an account's newest risk of a reason was opened with."""
    title: str | None = await tx.fetch_value(
        "SELECT title FROM messages WHERE account_id = :account_id AND reason = :reason "
        "AND kind = :kind ORDER BY created_at DESC LIMIT 1",
        account_id=account_id,
        reason=reason,
        kind=MessageKind.RISK_OPENED.value,
    )
    return title


async def situation(
    tx: Transaction, account_id: str, subject: str, reason: str
) -> Situation | None:
    """Return how a reason stands for a subject, None when it never held."""
    row = await tx.fetch_one(
        "SELECT account_id, subject, reason, severity, episode, opened_at, closed_at "
        "FROM situations WHERE account_id = :account_id AND subject = :subject "
        "AND reason = :reason",
        account_id=account_id,
        subject=subject,
        reason=reason,
    )
    if row is None:
        return None
    return Situation(
        account_id=row["account_id"],
        subject=row["subject"],
        reason=row["reason"],
        severity=Severity(row["severity"]),
        episode=row["episode"],
        opened_at=row["opened_at"],
        closed_at=row["closed_at"],
    )


async def save_situation(tx: Transaction, after: Situation) -> None:
    """Keep how a reason stands for a subject."""
    await tx.execute(
        "INSERT INTO situations (account_id, subject, reason, severity, episode, opened_at, "
        "closed_at) VALUES (:account_id, :subject, :reason, :severity, :episode, :opened_at, "
        ":closed_at) ON CONFLICT (account_id, subject, reason) DO UPDATE SET "
        "severity = EXCLUDED.severity, episode = EXCLUDED.episode, "
        "opened_at = EXCLUDED.opened_at, closed_at = EXCLUDED.closed_at",
        account_id=after.account_id,
        subject=after.subject,
        reason=after.reason,
        severity=after.severity.value,
        episode=after.episode,
        opened_at=after.opened_at,
        closed_at=after.closed_at,
    )


async def last_told(
    tx: Transaction, message: Message, kinds: Sequence[MessageKind], *, to: tuple[str, str]
) -> datetime | None:
    """Return when a recipient was, or is to be, told last of the reason of a message.

    Only what is as severe as the message counts, of the given kinds. ``to``: channel, recipient.
    """
    notice = message.notice
    told_at: datetime | None = await tx.fetch_value(
        "SELECT COALESCE(d.delivered_at, d.next_attempt_at, d.created_at) AS told_at "
        "FROM messages m JOIN deliveries d ON d.account_id = m.account_id "
        "AND d.message_id = m.id WHERE m.account_id = :account_id AND m.reason = :reason "
        "AND m.id <> :id AND m.kind = ANY(CAST(:kinds AS text[])) "
        "AND m.severity = ANY(CAST(:severities AS text[])) AND d.channel = :channel "
        "AND d.recipient = :recipient AND d.status IN ('pending', 'sending', 'delivered') "
        "ORDER BY told_at DESC LIMIT 1",
        account_id=notice.account_id,
        reason=notice.reason,
        id=message.id,
        kinds=[kind.value for kind in kinds],
        severities=[each.value for each in Severity if each.is_at_least(notice.severity)],
        channel=to[0],
        recipient=to[1],
    )
    return told_at
