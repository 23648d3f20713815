"""All that happened, in bulk, for a replay: usage, signals, segments and renewal outcomes.

Usage is kept by day without its time of arrival: a day counts as known when it was over. Signals
carry the time they were recorded.
"""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from sqlalchemy import text

from shared.db.transaction import Row, Transaction

_AT_ONCE = 20_000
_SIGNALS = """
SELECT account_id, type, value, observed_at, recorded_at FROM signals ORDER BY account_id, id
"""
_USAGE = "SELECT account_id, day, name, n FROM usage_daily ORDER BY day, account_id, name"
_USERS = "SELECT account_id, day, user_id, n FROM usage_users ORDER BY day, account_id, user_id"
_OUTCOMES = """
SELECT o.account_id, o.is_lost, o.resolved_at, o.amount_minor, o.currency,
       c.starts_on, c.ends_on, c.notice_on
FROM renewal_outcomes AS o LEFT JOIN contracts AS c USING (account_id, contract_id)
ORDER BY o.account_id, o.resolved_at
"""


class Standing(NamedTuple):
    """Which peers an account has."""

    segment: str
    time_zone: str


async def outcomes(tx: Transaction) -> Sequence[Row]:
    """Return how renewals ended, with the contract they were of."""
    return await tx.fetch_all(_OUTCOMES)


async def standings(tx: Transaction) -> dict[str, Standing]:
    """Return the segment and time zone of every account."""
    rows = await tx.fetch_all("SELECT account_id, segment, time_zone FROM accounts")
    return {row["account_id"]: Standing(row["segment"], row["time_zone"]) for row in rows}


async def signals(tx: Transaction) -> AsyncIterator[Sequence[Row]]:
    """Go through all signals."""
    async for rows in _read(tx, _SIGNALS):
        yield rows


async def usage(tx: Transaction) -> AsyncIterator[Sequence[Row]]:
    """Go through the counts of events by account, day and name."""
    async for rows in _read(tx, _USAGE):
        yield rows


async def users(tx: Transaction) -> AsyncIterator[Sequence[Row]]:
    """Go through the counts of events by account, day and user."""
    async for rows in _read(tx, _USERS):
        yield rows


async def _read(tx: Transaction, sql: str) -> AsyncIterator[Sequence[Row]]:
    # A cursor of the server: neither side holds a table of millions of rows in memory.
    await tx.execute("SET LOCAL statement_timeout = 0")
    result = await tx.connection.stream(text(sql))
    async for rows in result.mappings().partitions(_AT_ONCE):
        yield rows
