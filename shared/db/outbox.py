"""The transactional outbox.

Column names are Debezium's defaults, so that its outbox router can take the relay's place.
Readers select unpublished rows, never "everything after the last id I saw": ids are given out
before commits happen, and rows would be skipped.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.event import Event
from shared.db.sql import statement

Connection = AsyncConnection
"""The one connection on which a relay leads, reads and marks."""

_LOCK_STRIPES = 1024
_REPUBLISHED_AT_ONCE = 20_000
_LOCK = """
SELECT pg_advisory_xact_lock(hashtext('outbox'), stripe)
FROM (SELECT DISTINCT mod(hashtext(a)::bigint + 2147483648, :stripes)::int AS stripe
      FROM unnest(CAST(:accounts AS text[])) AS a ORDER BY 1) AS s
"""
_INSERT = """
INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, traceparent, occurredat)
SELECT id, aggregatetype, aggregateid, type, payload::jsonb, traceparent, occurredat
FROM unnest(CAST(:ids AS uuid[]), CAST(:publishers AS text[]), CAST(:accounts AS text[]),
            CAST(:types AS text[]), CAST(:payloads AS text[]), CAST(:traceparents AS text[]),
            CAST(:times AS timestamptz[]))
     WITH ORDINALITY AS e(id, aggregatetype, aggregateid, type, payload, traceparent,
                          occurredat, n)
ORDER BY n
"""


async def save(connection: Connection, events: Sequence[Event]) -> None:
    """Write events to the outbox, as the last thing of a transaction.

    Holding a stripe lock from here to the commit makes the row order of one account its commit
    order. Nothing is locked after it, and stripes are taken in order, so it cannot deadlock.
    """
    if not events:
        return
    accounts = [event.subject for event in events]
    await connection.execute(statement(_LOCK), {"accounts": accounts, "stripes": _LOCK_STRIPES})
    await connection.execute(
        statement(_INSERT),
        {
            "ids": [UUID(event.id) for event in events],
            "publishers": [event.publisher for event in events],
            "accounts": accounts,
            "types": [event.type for event in events],
            "payloads": [event.to_json().decode() for event in events],
            "traceparents": [event.traceparent for event in events],
            "times": [event.time for event in events],
        },
    )


async def unpublished(connection: Connection, limit: int) -> Sequence[RowMapping]:
    """Return the oldest unpublished rows: seq, id, publisher, account, type, payload, trace."""
    rows = await connection.execute(
        statement(
            "SELECT seq, id, aggregatetype AS publisher, aggregateid AS account_id, type, "
            "payload, traceparent FROM outbox WHERE publishedat IS NULL ORDER BY seq LIMIT :limit"
        ),
        {"limit": limit},
    )
    return rows.mappings().all()


async def count_unpublished(connection: Connection) -> int:
    """Return how many rows wait for the broker."""
    rows = await connection.execute(
        statement("SELECT count(*) FROM outbox WHERE publishedat IS NULL")
    )
    return int(rows.scalar_one())


async def mark_published(connection: Connection, seqs: Sequence[int]) -> None:
    """Mark rows as acknowledged by the broker."""
    await connection.execute(
        statement(
            "UPDATE outbox SET publishedat = clock_timestamp(), attempts = attempts + 1, "
            "lasterror = NULL WHERE seq = ANY(CAST(:seqs AS bigint[]))"
        ),
        {"seqs": list(seqs)},
    )


async def mark_failed(connection: Connection, seqs: Sequence[int], error: str) -> None:
    """Note why rows could not be sent; they stay unpublished."""
    await connection.execute(
        statement(
            "UPDATE outbox SET attempts = attempts + 1, lasterror = :error "
            "WHERE seq = ANY(CAST(:seqs AS bigint[]))"
        ),
        {"seqs": list(seqs), "error": error[:500]},
    )


async def take_lead(connection: Connection) -> bool:
    """Become the one who publishes this schema's outbox, for as long as the session lives."""
    taken = await connection.execute(
        statement("SELECT pg_try_advisory_lock(hashtext('relay'), hashtext(current_schema()))")
    )
    return bool(taken.scalar())


async def last_cluster(connection: Connection) -> str | None:
    """Return the id of the Kafka cluster that was published to last."""
    found = await connection.execute(
        statement("SELECT cluster_id FROM brokers ORDER BY seen_at DESC LIMIT 1")
    )
    cluster_id: str | None = found.scalar()
    return cluster_id


async def note_cluster(connection: Connection, cluster_id: str) -> None:
    """Remember the cluster that is published to from now on."""
    await connection.execute(
        statement(
            "INSERT INTO brokers (cluster_id, seen_at) VALUES (:id, clock_timestamp()) "
            "ON CONFLICT (cluster_id) DO UPDATE SET seen_at = clock_timestamp()"
        ),
        {"id": cluster_id},
    )


async def republish_all(connection: Connection) -> int:
    """Mark every kept row as unpublished, for a broker that lost its log; return how many.

    A part at a time, each committed by itself: a million rows take longer than a statement may,
    and what was done is not done again.
    """
    total = 0
    while True:
        result: Any = await connection.execute(
            statement(
                "UPDATE outbox SET publishedat = NULL WHERE seq IN (SELECT seq FROM outbox "
                "WHERE publishedat IS NOT NULL LIMIT :limit)"
            ),
            {"limit": _REPUBLISHED_AT_ONCE},
        )
        total += int(result.rowcount)
        if result.rowcount < _REPUBLISHED_AT_ONCE:
            return total


def payload_bytes(payload: Any) -> bytes:
    """Return a payload as the bytes that go on the wire."""
    return msgspec.json.encode(payload)
