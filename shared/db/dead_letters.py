"""Dead letters: raw bytes of what could not be processed, readable and replayable.

The row is the truth and is written in the transaction that moves the position past the record;
the relay then copies it to ``<topic>.dlq`` for people who work with Kafka tools.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from shared.db.transaction import Transaction


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that was set aside, exactly as it was read, and why."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, str]
    code: str
    reason: str


async def save(tx: Transaction, letter: DeadLetter) -> None:
    """Keep a dead letter, in the transaction that moves the position past it."""
    await tx.execute(
        "INSERT INTO dead_letters (topic, partition, record_offset, key, value, headers, code, "
        "reason, created_at) VALUES (:topic, :partition, :offset, :key, :value, :headers, :code, "
        ":reason, :now)",
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        key=letter.key,
        value=letter.value,
        headers={_escaped(name): _escaped(text) for name, text in letter.headers.items()},
        code=letter.code,
        reason=letter.reason[:2000].replace("\0", "\ufffd"),
        now=tx.now,
    )


def headers_of(row: RowMapping) -> dict[str, str]:
    """Return the headers of a kept dead letter as they were read."""
    return {_unescaped(name): _unescaped(text) for name, text in row["headers"].items()}


async def to_copy(tx: Transaction, limit: int) -> Sequence[RowMapping]:
    """Return dead letters that the relay has not copied to ``<topic>.dlq`` yet."""
    return await tx.fetch_all(
        "SELECT * FROM dead_letters WHERE copied_at IS NULL ORDER BY id LIMIT :limit", limit=limit
    )


async def to_retry(tx: Transaction, limit: int) -> Sequence[RowMapping]:
    """Return dead letters that a person asked to put back on their topic."""
    return await tx.fetch_all(
        "SELECT * FROM dead_letters WHERE retry_requested_at IS NOT NULL AND retried_at IS NULL "
        "ORDER BY id LIMIT :limit",
        limit=limit,
    )


async def mark(tx: Transaction, column: str, ids: Sequence[int], at: datetime) -> None:
    """Set ``copied_at`` or ``retried_at``."""
    if column not in {"copied_at", "retried_at"}:
        raise ValueError(column)
    await tx.execute(
        f"UPDATE dead_letters SET {column} = :at WHERE id = ANY(CAST(:ids AS bigint[]))",
        ids=list(ids),
        at=at,
    )


async def listed(
    tx: Transaction, *, before: int | None = None, limit: int = 100
) -> Sequence[RowMapping]:
    """Return the newest dead letters, newest first."""
    return await tx.fetch_all(
        "SELECT * FROM dead_letters WHERE (CAST(:before AS bigint) IS NULL OR id < :before) "
        "ORDER BY id DESC LIMIT :limit",
        before=before,
        limit=limit,
    )


async def request_retry(tx: Transaction, ids: Sequence[int] | None = None) -> int:
    """Ask for dead letters (all that were not retried, by default) to be retried; count them."""
    params: dict[str, Any] = {"now": tx.now, "ids": list(ids) if ids is not None else None}
    return await tx.execute(
        "UPDATE dead_letters SET retry_requested_at = :now, retried_at = NULL "
        "WHERE (CAST(:ids AS bigint[]) IS NULL AND retry_requested_at IS NULL) "
        "OR id = ANY(CAST(:ids AS bigint[]))",
        **params,
    )


def _escaped(text: str) -> str:
    r"""Write a NUL as ``\0``: poison may hold one, and Postgres cannot keep it in text."""
    return text.replace("\\", "\\\\").replace("\0", "\\0")


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\0" if found[1] == "0" else found[1], text)
