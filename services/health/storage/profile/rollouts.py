"""How far a change of profiles has reached the accounts: each is scored again, a few at a time."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import RowMapping

from shared.db.transaction import Transaction


class Rollout(NamedTuple):
    """A change that has not reached every account; no segments means all."""

    name: str
    version: int
    started_at: datetime
    segments: Sequence[str] | None
    reached: str


async def start(tx: Transaction, name: str, version: int, segments: Sequence[str] | None) -> None:
    """Begin to have accounts scored again; an earlier one of the same profile ends."""
    await tx.execute(
        "UPDATE profile_rollouts SET finished_at = :now, updated_at = :now "
        "WHERE name = :name AND finished_at IS NULL",
        name=name,
        now=tx.now,
    )
    await tx.execute(
        "INSERT INTO profile_rollouts (name, version, started_at, updated_at, segments) "
        "VALUES (:name, :version, :now, :now, CAST(:segments AS text[])) "
        "ON CONFLICT (name, version, started_at) DO UPDATE SET finished_at = NULL, reached = '', "
        "marked = 0",
        name=name,
        version=version,
        now=tx.now,
        segments=None if segments is None else list(segments),
    )


async def claim(tx: Transaction) -> Rollout | None:
    """Return the oldest that goes on, for this transaction alone."""
    row = await tx.fetch_one(
        "SELECT name, version, started_at, segments, reached FROM profile_rollouts "
        "WHERE finished_at IS NULL ORDER BY started_at, name LIMIT 1 FOR UPDATE SKIP LOCKED"
    )
    return Rollout(**row) if row else None


async def waiting(tx: Transaction, most: int) -> int:
    """Return how many accounts wait to be scored again, counting no further than ``most``."""
    found = await tx.fetch_value(
        "SELECT count(*) FROM (SELECT 1 FROM accounts WHERE rescore_at IS NOT NULL LIMIT :most) "
        "AS w",
        most=most,
    )
    return int(found)


async def mark(tx: Transaction, rollout: Rollout, limit: int) -> Sequence[str]:
    """Have the next accounts scored again; return their ids, the last one last.

    They are locked in the order in which usage locks them.
    """
    rows = await tx.fetch_all(
        "WITH n AS (SELECT account_id FROM accounts WHERE account_id > :reached "
        "AND (CAST(:segments AS text[]) IS NULL OR segment = ANY(CAST(:segments AS text[]))) "
        "ORDER BY account_id LIMIT :limit FOR UPDATE) "
        "UPDATE accounts AS a SET rescore_at = coalesce(a.rescore_at, :now) FROM n "
        "WHERE a.account_id = n.account_id RETURNING a.account_id",
        reached=rollout.reached,
        segments=None if rollout.segments is None else list(rollout.segments),
        limit=limit,
        now=tx.now,
    )
    return sorted(row["account_id"] for row in rows)


async def advance(tx: Transaction, rollout: Rollout, marked: Sequence[str]) -> None:
    """Note how far it came; when nobody is left it is finished."""
    await tx.execute(
        "UPDATE profile_rollouts SET reached = :reached, marked = marked + :n, updated_at = :now, "
        "finished_at = CASE WHEN :n = 0 THEN CAST(:now AS timestamptz) END "
        "WHERE name = :name AND version = :version AND started_at = :started_at",
        reached=marked[-1] if marked else rollout.reached,
        n=len(marked),
        now=tx.now,
        name=rollout.name,
        version=rollout.version,
        started_at=rollout.started_at,
    )


async def newest(tx: Transaction, name: str) -> RowMapping | None:
    """Return the newest rollout of a profile."""
    return await tx.fetch_one(
        "SELECT version, started_at, updated_at, finished_at, marked FROM profile_rollouts "
        "WHERE name = :name ORDER BY started_at DESC LIMIT 1",
        name=name,
    )
