"""Back-tests: asked for, running one at a time under a lease, and what they found."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from shared.db.transaction import Row, Transaction

LEASE = timedelta(seconds=30)
_LISTED = (
    "id, profile_name, profile_version, fits_model, state, stage, progress, attempts, error, "
    "summary, model_version, created_at, started_at, finished_at"
)


class NewBacktest(NamedTuple):
    """What is to be replayed: ``outcomes`` as rows of a file, None for those on record."""

    id: UUID
    profile_name: str
    profile_version: int
    profile: Mapping[str, Any]
    outcomes: Sequence[Mapping[str, Any]] | None
    plan: Mapping[str, Any]
    fits_model: bool


class Lease(NamedTuple):
    """The right to run a back-test; a later attempt ends it."""

    id: UUID
    attempt: int


async def add(tx: Transaction, new: NewBacktest) -> None:
    """Queue a back-test."""
    await tx.execute(
        "INSERT INTO backtests (id, profile_name, profile_version, profile, outcomes, plan, "
        "fits_model, created_at) VALUES (:id, :profile_name, :profile_version, :profile, "
        ":outcomes, :plan, :fits_model, :now)",
        now=tx.now,
        **new._asdict(),
    )


async def count_waiting(tx: Transaction) -> int:
    """Return how many back-tests wait or run."""
    return int(
        await tx.fetch_value("SELECT count(*) FROM backtests WHERE state IN ('queued', 'running')")
    )


async def claim(tx: Transaction) -> Lease | None:
    """Take the oldest back-test that waits, or whose worker is gone; None while one runs."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('backtests'))")
    row = await tx.fetch_one(
        "UPDATE backtests SET state = 'running', stage = 'starting', progress = 0, "
        "attempts = attempts + 1, leased_until = :until, started_at = :now "
        "WHERE id = (SELECT id FROM backtests WHERE (state = 'queued' OR (state = 'running' "
        "AND leased_until < :now)) AND NOT EXISTS (SELECT 1 FROM backtests AS other "
        "WHERE other.state = 'running' AND other.leased_until >= :now) "
        "ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, attempts",
        now=tx.now,
        until=tx.now + LEASE,
    )
    return None if row is None else Lease(row["id"], row["attempts"])


async def renew(tx: Transaction, lease: Lease, progress: float, stage: str) -> bool:
    """Note how far it is and keep the lease; False when it was cancelled or taken over."""
    touched = await tx.execute(
        "UPDATE backtests SET progress = :progress, stage = :stage, leased_until = :until "
        "WHERE id = :id AND attempts = :attempt AND state = 'running'",
        progress=progress,
        stage=stage,
        until=tx.now + LEASE,
        **lease._asdict(),
    )
    return touched == 1


async def finish(
    tx: Transaction, lease: Lease, result: Mapping[str, Any], summary: Mapping[str, Any]
) -> bool:
    """Keep what was found; False when the lease is lost."""
    touched = await tx.execute(
        "UPDATE backtests SET state = 'done', stage = 'done', progress = 1, result = :result, "
        "summary = :summary, leased_until = NULL, finished_at = :now "
        "WHERE id = :id AND attempts = :attempt AND state = 'running'",
        result=dict(result),
        summary=dict(summary),
        now=tx.now,
        **lease._asdict(),
    )
    return touched == 1


async def fail(tx: Transaction, lease: Lease, error: str) -> None:
    """Note why it failed."""
    await tx.execute(
        "UPDATE backtests SET state = 'failed', stage = 'failed', error = :error, "
        "leased_until = NULL, finished_at = :now "
        "WHERE id = :id AND attempts = :attempt AND state = 'running'",
        error=error,
        now=tx.now,
        **lease._asdict(),
    )


async def give_back(tx: Transaction, lease: Lease) -> None:
    """Let somebody else run it at once."""
    await tx.execute(
        "UPDATE backtests SET state = 'queued', stage = 'waiting for its turn', progress = 0, "
        "leased_until = NULL WHERE id = :id AND attempts = :attempt AND state = 'running'",
        **lease._asdict(),
    )


async def cancel(tx: Transaction, backtest_id: UUID) -> bool:
    """Cancel what waits or runs; False when it is over already."""
    touched = await tx.execute(
        "UPDATE backtests SET state = 'cancelled', stage = 'cancelled', leased_until = NULL, "
        "finished_at = :now WHERE id = :id AND state IN ('queued', 'running')",
        id=backtest_id,
        now=tx.now,
    )
    return touched == 1


async def name_model(tx: Transaction, backtest_id: UUID, model_version: int) -> None:
    """Note which model came of it."""
    await tx.execute(
        "UPDATE backtests SET model_version = :version WHERE id = :id",
        id=backtest_id,
        version=model_version,
    )


async def get(tx: Transaction, backtest_id: UUID) -> Row | None:
    """Return a back-test with all it holds."""
    return await tx.fetch_one("SELECT * FROM backtests WHERE id = :id", id=backtest_id)


async def listed(
    tx: Transaction, *, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Row]:
    """Return back-tests without their results, newest first."""
    return await tx.fetch_all(
        f"SELECT {_LISTED} FROM backtests WHERE (CAST(:at AS timestamptz) IS NULL "
        "OR (created_at, id) < (:at, CAST(:id AS uuid))) "
        "ORDER BY created_at DESC, id DESC LIMIT :limit",
        at=before[0] if before else None,
        id=before[1] if before else None,
        limit=limit,
    )
