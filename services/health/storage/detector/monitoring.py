"""What people decided about monitoring: of one account, of a segment, of everybody."""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from services.health.domain.detector.decisions import (
    Decision,
    DecisionKind,
    Unwatched,
    unwatched,
)
from services.health.domain.detector.monitoring import Monitoring
from services.health.storage.detector.detector import Kept
from shared.db.transaction import Row, Transaction
from shared.kernel.ids import new_id


async def decide(tx: Transaction, account_id: str, decision: Decision, by: str) -> UUID:
    """Keep a decision about an account; return its id."""
    decision_id = new_id()
    await tx.execute(
        "INSERT INTO monitoring_decisions (account_id, id, kind, from_day, until_day, reason, "
        "decided_by, decided_at) VALUES (:account_id, :id, :kind, :from_day, :until_day, "
        ":reason, :by, :now)",
        account_id=account_id,
        id=decision_id,
        kind=decision.kind.value,
        from_day=decision.from_day,
        until_day=decision.until_day,
        reason=decision.reason,
        by=by,
        now=tx.now,
    )
    return decision_id


async def of_accounts(
    tx: Transaction, account_ids: Sequence[str]
) -> Mapping[str, Sequence[Decision]]:
    """Return the decisions about accounts that have some, oldest first."""
    rows = await tx.fetch_all(
        "SELECT account_id, kind, from_day, until_day, reason FROM monitoring_decisions "
        "WHERE account_id = ANY(CAST(:account_ids AS text[])) ORDER BY account_id, from_day, id",
        account_ids=list(account_ids),
    )
    return _by_account(rows)


async def unwatched_of(tx: Transaction, kept: Mapping[str, Kept]) -> Mapping[str, Unwatched]:
    """Return since when, and why, accounts are not judged; those that are have none."""
    off = {key: one.day for key, one in kept.items() if one.monitoring is Monitoring.SUSPENDED}
    if not off:
        return {}
    decided = await of_accounts(tx, list(off))
    shared = await _gaps_of(tx, list(off))
    found = {}
    for account_id, day in off.items():
        decisions = [*decided.get(account_id, ()), *shared.get(account_id, ())]
        if one := unwatched(day, decisions):
            found[account_id] = one
    return found


async def _gaps_of(tx: Transaction, account_ids: Sequence[str]) -> Mapping[str, Sequence[Decision]]:
    rows = await tx.fetch_all(
        "SELECT a.account_id, 'known_gap' AS kind, g.from_day, g.until_day, g.reason "
        "FROM accounts AS a JOIN segment_gaps AS g ON g.segment IS NULL OR g.segment = a.segment "
        "WHERE a.account_id = ANY(CAST(:account_ids AS text[])) "
        "ORDER BY a.account_id, g.from_day, g.id",
        account_ids=list(account_ids),
    )
    return _by_account(rows)


async def listed(tx: Transaction, account_id: str) -> Sequence[Row]:
    """Return the decisions about an account with who made them, newest first."""
    return await tx.fetch_all(
        "SELECT id, kind, from_day, until_day, reason, decided_by, decided_at "
        "FROM monitoring_decisions WHERE account_id = :account_id "
        "ORDER BY decided_at DESC, id DESC",
        account_id=account_id,
    )


async def end_suspensions(tx: Transaction, account_id: str, last_day: date) -> int:
    """End the open suspensions of an account with a day; return how many there were."""
    return await tx.execute(
        "UPDATE monitoring_decisions SET until_day = greatest(:last_day, from_day - 1) "
        "WHERE account_id = :account_id AND kind = :kind "
        "AND (until_day IS NULL OR until_day > :last_day)",
        account_id=account_id,
        last_day=last_day,
        kind=DecisionKind.SUSPENSION.value,
    )


async def withdraw(tx: Transaction, account_id: str, decision_id: UUID) -> date | None:
    """Delete a decision; return its first day, or None when there is no such decision."""
    found: date | None = await tx.fetch_value(
        "DELETE FROM monitoring_decisions WHERE account_id = :account_id AND id = :id "
        "RETURNING from_day",
        account_id=account_id,
        id=decision_id,
    )
    return found


async def add_gap(tx: Transaction, segment: str | None, gap: Decision, by: str) -> UUID:
    """Keep a known gap of a segment, or of everybody; return its id."""
    gap_id = new_id()
    await tx.execute(
        "INSERT INTO segment_gaps (id, segment, from_day, until_day, reason, decided_by, "
        "decided_at) VALUES (:id, :segment, :from_day, :until_day, :reason, :by, :now)",
        id=gap_id,
        segment=segment,
        from_day=gap.from_day,
        until_day=gap.until_day,
        reason=gap.reason,
        by=by,
        now=tx.now,
    )
    return gap_id


async def gaps(tx: Transaction, segment: str) -> Sequence[Decision]:
    """Return the known gaps that a segment shares."""
    rows = await tx.fetch_all(
        "SELECT 'known_gap' AS kind, from_day, until_day, reason FROM segment_gaps "
        "WHERE segment IS NULL OR segment = :segment ORDER BY from_day, id",
        segment=segment,
    )
    return [_decision(row) for row in rows]


async def list_gaps(tx: Transaction) -> Sequence[Row]:
    """Return all known gaps of segments, newest first."""
    return await tx.fetch_all("SELECT * FROM segment_gaps ORDER BY from_day DESC, id DESC")


async def withdraw_gap(tx: Transaction, gap_id: UUID) -> Row | None:
    """Delete a segment's known gap; return it, or None when there is none."""
    return await tx.fetch_one("DELETE FROM segment_gaps WHERE id = :id RETURNING *", id=gap_id)


def _by_account(rows: Sequence[Row]) -> Mapping[str, Sequence[Decision]]:
    found: dict[str, list[Decision]] = {}
    for row in rows:
        found.setdefault(row["account_id"], []).append(_decision(row))
    return found


def _decision(row: Row) -> Decision:
    return Decision(
        kind=DecisionKind(row["kind"]),
        from_day=row["from_day"],
        until_day=row["until_day"],
        reason=row["reason"],
    )
