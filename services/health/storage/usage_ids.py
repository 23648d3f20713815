"""The ids of counted events: what makes a count exact.

An id is kept under the day it was counted on. Days that are past never change, so what they hold
can be remembered outside the database: a filter in memory says for nearly every new event that
none of them has it, and only today's ids are looked up.
"""

from collections.abc import Iterable, Sequence
from datetime import date

import numpy as np
from asyncpg.pgproto.pgproto import UUID

from services.health.domain.usage.bloom import KeyFilter, words_of
from services.health.storage import usage_days
from shared.db.transaction import Transaction

_KEY_BYTES = 16
_KEYS_AT_ONCE = 50_000
# Keys travel as one text of bytes: the driver would look at each element of an array.
_KEYS = """
(SELECT CAST(encode(substr(CAST(:keys AS bytea), n * 16 + 1, 16), 'hex') AS uuid) AS key
 FROM generate_series(0, octet_length(CAST(:keys AS bytea)) / 16 - 1) AS n) AS e
"""
_CLAIM = f"""
WITH fresh AS (
    INSERT INTO usage_ids (day, key)
    SELECT CAST(:today AS date), e.key FROM {_KEYS}
    ON CONFLICT DO NOTHING RETURNING key)
SELECT count(*) AS n, string_agg(uuid_send(key), '') AS keys FROM fresh
"""
# Each key is one index probe per day; a hash join would read those days whole.
_PROBE = (
    "SELECT set_config('enable_hashjoin', 'off', true), "
    "set_config('enable_mergejoin', 'off', true), set_config('enable_seqscan', 'off', true)"
)
_FIND = f"""
SELECT string_agg(uuid_send(u.key), '') FROM {_KEYS}
JOIN usage_ids AS u ON u.key = e.key WHERE u.day < :today
"""
_PAGE = """
SELECT string_agg(uuid_send(key), '' ORDER BY key) FROM (
    SELECT key FROM usage_ids WHERE day = :day AND key > :after ORDER BY key LIMIT :limit) AS page
"""


class PastDays:
    """What a replica remembers of the ids of days that are past.

    A day without a filter (not read yet, or beyond ``most_bytes`` of memory) is looked up.
    """

    def __init__(self, most_bytes: int = 256 * 1024 * 1024) -> None:
        self._most_bytes = most_bytes
        self._today = date.min
        self._without: dict[date, bool] = {}
        self._filters: dict[date, KeyFilter] = {}

    @property
    def bytes_used(self) -> int:
        """How much memory the filters take."""
        return sum(each.size for each in self._filters.values())

    async def see(self, tx: Transaction, today: date) -> None:
        """Learn which days are past now."""
        if today != self._today:
            days = await usage_days.past_days(tx)
            self._filters = {day: f for day, f in self._filters.items() if day in days}
            self._without = dict.fromkeys(days - self._filters.keys(), True)
            self._today = today

    @property
    def next_to_read(self) -> date | None:
        """The newest day that may get a filter and has none."""
        return max((day for day, may in self._without.items() if may), default=None)

    async def read(self, tx: Transaction, day: date) -> None:
        """Read a day's ids into a filter, if there is room for it."""
        ids = await usage_days.count_ids(tx, day)
        if self.bytes_used + KeyFilter.bytes_for(ids) > self._most_bytes:
            self._without[day] = False
            return
        found, after = KeyFilter(ids), UUID(bytes(_KEY_BYTES))
        while True:
            page = await tx.fetch_value(_PAGE, day=day, after=after, limit=_KEYS_AT_ONCE)
            keys = _split(page)
            if keys:
                found.add(words_of(keys))
                after = UUID(keys[-1])
            if len(keys) < _KEYS_AT_ONCE:
                break
        # Only now: a filter that is half full would deny what it has not read.
        self._without.pop(day, None)
        self._filters[day] = found

    def suspects(self, keys: Sequence[bytes]) -> list[bytes]:
        """Return the keys that past days may hold; the others they certainly do not."""
        if self._without:
            return list(keys)
        if not self._filters or not keys:
            return []
        words = words_of(keys)
        hits = np.logical_or.reduce([each.may_hold(words) for each in self._filters.values()])
        return [keys[place] for place in np.flatnonzero(hits).tolist()]


async def claim(tx: Transaction, keys: Iterable[bytes], today: date, past: PastDays) -> set[bytes]:
    """Remember events by their keys; return those that were known before, which do not count.

    ``today`` is the day that the transaction holds (`usage_days.hold`).
    """
    ordered = sorted(set(keys))  # in one order, so that batches cannot deadlock
    await past.see(tx, today)
    known = await _known_before(tx, past.suspects(ordered), today)
    new = [key for key in ordered if key not in known] if known else ordered
    row = await tx.fetch_one(_CLAIM, today=today, keys=b"".join(new))
    if row is None or row["n"] == len(new):
        return known
    return known | (set(new) - set(_split(row["keys"])))


async def _known_before(tx: Transaction, suspects: Sequence[bytes], today: date) -> set[bytes]:
    if not suspects:
        return set()
    await tx.execute(_PROBE)
    return set(_split(await tx.fetch_value(_FIND, keys=b"".join(suspects), today=today)))


def _split(keys: bytes | None) -> list[bytes]:
    joined = keys or b""
    return [joined[at : at + _KEY_BYTES] for at in range(0, len(joined), _KEY_BYTES)]
