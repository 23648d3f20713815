"""The ids of counted events: what makes a count exact.

An id is kept under the day it was counted on. Days that are past are closed, so what they hold
can be remembered outside the database: a filter in memory says for nearly every new event that
none of them has it, and only today's and yesterday's ids are looked up.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

import numpy as np
from asyncpg.pgproto.pgproto import UUID
from sqlalchemy.exc import IntegrityError

from services.health.domain.usage.bloom import KeyFilter, words_of
from services.health.storage import usage_days
from shared.db import inbox
from shared.db.transaction import Transaction

_KEY_BYTES = 16
_ROWS_AT_ONCE = 50_000
# Each key is one index probe per day; a hash join would read those days whole.
_PROBE = (
    "SELECT set_config('enable_hashjoin', 'off', true), "
    "set_config('enable_mergejoin', 'off', true), set_config('enable_seqscan', 'off', true)"
)
_CLAIM = """
WITH fresh AS (
    INSERT INTO usage_ids (day, key)
    SELECT CAST(:today AS date), e.key FROM unnest(CAST(:keys AS uuid[])) AS e(key)
    WHERE NOT EXISTS (SELECT 1 FROM usage_ids AS u WHERE u.key = e.key
                      AND u.day >= :open AND u.day < :today)
      AND NOT EXISTS (SELECT 1 FROM usage_ids AS u WHERE u.key = e.key AND u.day > :today)
    ON CONFLICT DO NOTHING RETURNING key)
SELECT count(*) AS n, string_agg(uuid_send(key), '') AS keys FROM fresh
"""
_FIND = """
SELECT string_agg(uuid_send(u.key), '') FROM unnest(CAST(:keys AS uuid[])) AS e(key)
JOIN usage_ids AS u ON u.key = e.key WHERE u.day < :open
"""


class ClosedDays:
    """What a replica remembers of the days that are closed.

    A day without a filter (not read yet, or beyond ``most_bytes`` of memory) is looked up.
    """

    def __init__(self, most_bytes: int = 256 * 1024 * 1024) -> None:
        self._most_bytes = most_bytes
        self._sizes: dict[date, int] = {}
        self._filters: dict[date, KeyFilter] = {}

    @property
    def open_from(self) -> date:
        """The first day that ids may still be added to."""
        return max(self._sizes) + timedelta(days=1) if self._sizes else date.min

    def counting_day(self, now: datetime) -> date:
        """Return the day that what is counted now is kept under."""
        return max(now.date(), self.open_from)

    async def refresh(self, tx: Transaction) -> None:
        """Learn which days are closed and kept."""
        self._sizes = dict(await usage_days.closed_days(tx))
        self._filters = {d: f for d, f in self._filters.items() if d in self._sizes}

    def next_to_read(self) -> date | None:
        """Return the newest closed day that has no filter and has room for one."""
        used = sum(KeyFilter.bytes_for(self._sizes[day]) for day in self._filters)
        for day in sorted(self._sizes.keys() - self._filters.keys(), reverse=True):
            if used + KeyFilter.bytes_for(self._sizes[day]) <= self._most_bytes:
                return day
        return None

    async def read(self, tx: Transaction, day: date) -> None:
        """Read a closed day's ids into a filter."""
        found, after = KeyFilter(self._sizes[day]), UUID(bytes(_KEY_BYTES))
        while True:
            keys = _split(await _page(tx, day, after))
            if keys:
                found.add(words_of(keys))
                after = UUID(keys[-1])
            if len(keys) < _ROWS_AT_ONCE:
                break
        self._filters[day] = found

    def suspects(self, keys: Sequence[bytes]) -> list[bytes]:
        """Return the keys that closed days may hold; the others they certainly do not."""
        if not self._sizes or not keys:
            return []
        if self._sizes.keys() != self._filters.keys():
            return list(keys)
        words = words_of(keys)
        hits = np.logical_or.reduce([f.may_hold(words) for f in self._filters.values()])
        return [keys[place] for place in np.flatnonzero(hits).tolist()]


async def claim(tx: Transaction, keys: Iterable[bytes], closed: ClosedDays) -> set[bytes]:
    """Remember events by their keys; return those that were known before, which do not count.

    Raises `inbox.Fenced` when the day of this transaction has been closed: this replica's clock
    is far behind, or its transaction was open for days.
    """
    ordered = sorted(set(keys))  # in one order, so that batches cannot deadlock
    await tx.execute(_PROBE)
    known = await _known_before(tx, closed.suspects(ordered), closed)
    new = [key for key in ordered if key not in known] if known else ordered
    try:
        row = await tx.fetch_one(
            _CLAIM,
            today=closed.counting_day(tx.now),
            open=closed.open_from,
            keys=list(map(UUID, new)),
        )
    except IntegrityError as error:
        if not usage_days.is_closed(error):
            raise
        raise inbox.Fenced(f"the day {tx.now.date()} is closed to new events") from error
    if row is None or row["n"] == len(new):
        return known
    return known | (set(new) - set(_split(row["keys"])))


async def _known_before(
    tx: Transaction, suspects: Sequence[bytes], closed: ClosedDays
) -> set[bytes]:
    if not suspects:
        return set()
    found = await tx.fetch_value(_FIND, keys=list(map(UUID, suspects)), open=closed.open_from)
    return set(_split(found))


async def _page(tx: Transaction, day: date, after: UUID) -> bytes | None:
    found: bytes | None = await tx.fetch_value(
        "SELECT string_agg(uuid_send(key), '' ORDER BY key) FROM (SELECT key FROM usage_ids "
        "WHERE day = :day AND key > :after ORDER BY key LIMIT :limit) AS page",
        day=day,
        after=after,
        limit=_ROWS_AT_ONCE,
    )
    return found


def _split(keys: bytes | None) -> list[bytes]:
    joined = keys or b""
    return [joined[at : at + _KEY_BYTES] for at in range(0, len(joined), _KEY_BYTES)]
