"""Signals."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from uuid import UUID

from sqlalchemy import RowMapping

from services.health.domain.score.score import Signal
from shared.db.transaction import Transaction

_REMEMBERED = timedelta(days=730)


async def add(
    tx: Transaction,
    account_id: str,
    signal: Signal,
    *,
    signal_id: UUID,
    origin: tuple[str, str | None],
) -> bool:
    """Keep a signal; return False when its origin (source, external id) was seen before."""
    added = await tx.execute(
        "INSERT INTO signals (account_id, id, type, value, observed_at, recorded_at, "
        "source, external_id) VALUES (:account_id, :id, :type, :value, :observed_at, "
        ":now, :source, :external_id) ON CONFLICT DO NOTHING",
        account_id=account_id,
        id=signal_id,
        type=signal.type,
        value=signal.value,
        observed_at=signal.at,
        now=tx.now,
        source=origin[0],
        external_id=origin[1],
    )
    return added == 1


async def recent(tx: Transaction, account_id: str) -> tuple[Signal, ...]:
    """Return the signals that may still count, oldest first."""
    return (await recent_of(tx, [account_id])).get(account_id, ())


async def recent_of(
    tx: Transaction, account_ids: Sequence[str]
) -> Mapping[str, tuple[Signal, ...]]:
    """Return the signals of accounts that may still count, oldest first."""
    rows = await tx.fetch_all(
        "SELECT account_id, type, observed_at, value FROM signals "
        "WHERE account_id = ANY(CAST(:account_ids AS text[])) AND observed_at > :since "
        "AND retracted_at IS NULL "
        "ORDER BY account_id, observed_at",
        account_ids=list(account_ids),
        since=tx.now - _REMEMBERED,
    )
    return {
        account_id: tuple(_signal(row) for row in of_account)
        for account_id, of_account in groupby(rows, key=lambda row: str(row["account_id"]))
    }


async def known_at(tx: Transaction, account_id: str, moment: datetime) -> tuple[Signal, ...]:
    """Return the signals that were known at a moment and counted then, oldest first."""
    rows = await tx.fetch_all(
        "SELECT type, observed_at, value FROM signals WHERE account_id = :account_id "
        "AND recorded_at <= :moment AND observed_at > :since "
        "AND (retracted_at IS NULL OR retracted_at > :moment) ORDER BY observed_at",
        account_id=account_id,
        moment=moment,
        since=moment - _REMEMBERED,
    )
    return tuple(_signal(row) for row in rows)


def _signal(row: RowMapping) -> Signal:
    return Signal(row["type"], row["observed_at"], row["value"])


async def in_usage(
    tx: Transaction, account_ids: Sequence[str], names: Sequence[str], since: date
) -> Sequence[RowMapping]:
    """Return the days of accounts on which usage events of these names came, and which fits.

    A name may end in ``*``, which stands for any rest.
    """
    return await tx.fetch_all(
        "SELECT u.account_id, u.day, p.pattern, sum(u.n)::int AS n FROM usage_daily AS u "
        "JOIN unnest(CAST(:names AS text[])) AS p(pattern) ON u.name = p.pattern "
        "OR (right(p.pattern, 1) = '*' AND starts_with(u.name, rtrim(p.pattern, '*'))) "
        "WHERE u.account_id = ANY(CAST(:account_ids AS text[])) AND u.day > :since "
        "GROUP BY u.account_id, u.day, p.pattern",
        account_ids=list(account_ids),
        names=list(names),
        since=since,
    )


async def find(tx: Transaction, account_id: str, signal_id: UUID) -> RowMapping | None:
    """Return a signal, locked."""
    return await tx.fetch_one(
        "SELECT * FROM signals WHERE account_id = :account_id AND id = :id FOR UPDATE",
        account_id=account_id,
        id=signal_id,
    )


async def retract(
    tx: Transaction, account_id: str, signal_id: UUID, words: tuple[str, str]
) -> None:
    """Take a signal back; ``words`` are (who, why). It stays in the history and counts no more."""
    await tx.execute(
        "UPDATE signals SET retracted_at = :now, retracted_by = :by, retraction = :note "
        "WHERE account_id = :account_id AND id = :id",
        account_id=account_id,
        id=signal_id,
        now=tx.now,
        by=words[0],
        note=words[1],
    )


async def listed(
    tx: Transaction, account_id: str, *, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[RowMapping]:
    """Return an account's signals, newest first."""
    return await tx.fetch_all(
        "SELECT * FROM signals WHERE account_id = :account_id "
        "AND (CAST(:at AS timestamptz) IS NULL OR (observed_at, id) < (:at, CAST(:id AS uuid))) "
        "ORDER BY observed_at DESC, id DESC LIMIT :limit",
        account_id=account_id,
        at=before[0] if before else None,
        id=before[1] if before else None,
        limit=limit,
    )
