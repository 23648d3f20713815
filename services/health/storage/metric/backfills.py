"""How far the history of new metrics is filled, and how far a new profile is rolled out."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import RowMapping

from shared.db.transaction import Transaction


class Backfill(NamedTuple):
    """A metric of a profile version whose history is being filled, account by account."""

    profile: str
    version: int
    metric: str
    reached: str
    started_at: datetime


async def start(tx: Transaction, profile: str, version: int, metrics: Sequence[str]) -> None:
    """Begin to fill the history of metrics, and end what was going on for the profile before."""
    await tx.execute(
        "UPDATE metric_backfills SET state = 'stopped', updated_at = :now, "
        "note = 'another version took over' WHERE state = 'running' AND profile = :profile",
        profile=profile,
        now=tx.now,
    )
    await tx.execute_many(
        "INSERT INTO metric_backfills (profile, version, metric, state, accounts_total, "
        "started_at, updated_at) VALUES (:profile, :version, :metric, 'running', "
        "(SELECT count(*) FROM accounts WHERE first_day IS NOT NULL), :now, :now) "
        "ON CONFLICT (metric, profile, version) DO UPDATE SET state = 'running', reached = '', "
        "accounts_done = 0, days_done = 0, accounts_total = EXCLUDED.accounts_total, "
        "started_at = EXCLUDED.started_at, updated_at = EXCLUDED.updated_at, note = ''",
        [
            {"profile": profile, "version": version, "metric": metric, "now": tx.now}
            for metric in metrics
        ],
    )


async def claim(tx: Transaction) -> Backfill | None:
    """Return the oldest that is not done, for this transaction alone; others take another."""
    row = await tx.fetch_one(
        "SELECT profile, version, metric, reached, started_at FROM metric_backfills "
        "WHERE state = 'running' ORDER BY started_at, metric LIMIT 1 FOR UPDATE SKIP LOCKED"
    )
    return Backfill(**row) if row else None


async def next_accounts(tx: Transaction, reached: str, limit: int) -> Sequence[str]:
    """Return the accounts with usage that follow one, by account id."""
    rows = await tx.fetch_all(
        "SELECT account_id FROM accounts WHERE account_id > :reached AND first_day IS NOT NULL "
        "ORDER BY account_id LIMIT :limit",
        reached=reached,
        limit=limit,
    )
    return [row["account_id"] for row in rows]


async def advance(
    tx: Transaction, one: Backfill, *, reached: str, accounts: int, days: int
) -> None:
    """Note how far it came, in the transaction of what was filled."""
    await tx.execute(
        "UPDATE metric_backfills SET reached = :reached, accounts_done = accounts_done + "
        ":accounts, days_done = days_done + :days, updated_at = :now, "
        "accounts_total = greatest(accounts_total, accounts_done + :accounts) "
        "WHERE profile = :profile AND version = :version AND metric = :metric",
        accounts=accounts,
        days=days,
        now=tx.now,
        reached=reached,
        profile=one.profile,
        version=one.version,
        metric=one.metric,
    )


async def finish(tx: Transaction, one: Backfill, *, state: str, note: str = "") -> None:
    """End it: `done`, or `stopped` with what people should know."""
    await tx.execute(
        "UPDATE metric_backfills SET state = :state, note = concat_ws('; ', nullif(note, ''), "
        "nullif(CAST(:note AS text), '')), updated_at = :now "
        "WHERE profile = :profile AND version = :version AND metric = :metric",
        state=state,
        note=note,
        now=tx.now,
        profile=one.profile,
        version=one.version,
        metric=one.metric,
    )


async def of_metrics(tx: Transaction, metrics: Sequence[str]) -> Sequence[RowMapping]:
    """Return the newest of each metric and profile, newest first."""
    return await tx.fetch_all(
        "SELECT DISTINCT ON (metric, profile) * FROM metric_backfills "
        "WHERE metric = ANY(CAST(:metrics AS text[])) "
        "ORDER BY metric, profile, started_at DESC, version DESC",
        metrics=list(metrics),
    )
