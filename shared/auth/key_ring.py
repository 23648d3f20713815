"""A short memory of keys, so that a request does not cost a query."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from shared.auth import keys
from shared.auth.keys import ApiKey
from shared.auth.principal import Principal
from shared.db.errors import is_unavailable
from shared.db.transaction import Database
from shared.kernel.clock import Clock
from shared.observability.logging import get_logger

_log = get_logger(__name__)
_STALE = timedelta(seconds=60)
_TOUCH_EVERY = timedelta(minutes=1)
_MOST = 10_000
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(slots=True)
class _Entry:
    key: ApiKey | None
    loaded_at: datetime
    checked_at: datetime

    def principal(self, now: datetime) -> Principal | None:
        return self.key.principal if self.key is not None and self.key.is_live(now) else None

    def is_fresh(self, now: datetime, ttl: timedelta) -> bool:
        # A negative age means that the clock was set back: ask again.
        checked, loaded = now - self.checked_at, now - self.loaded_at
        return timedelta(0) <= checked < ttl and timedelta(0) <= loaded < _STALE


class KeyRing:
    """Knows who a secret belongs to, and asks the database at most every ``ttl`` per secret.

    A revoked key stops working within ``ttl``. While the database is down, keys it confirmed less
    than 60 s ago keep working. Unknown secrets are remembered apart, so that guessing cannot push
    real keys out.
    """

    def __init__(
        self, database: Database, clock: Clock, *, ttl: timedelta = timedelta(seconds=5)
    ) -> None:
        self._database = database
        self._clock = clock
        self._ttl = ttl
        self._known: dict[bytes, _Entry] = {}
        self._unknown: dict[bytes, _Entry] = {}
        self._touched: dict[UUID, datetime] = {}

    async def authenticate(self, secret: str) -> Principal | None:
        """Return who a secret belongs to, or None.

        Raises the database's error when it is down and nothing recent is remembered.
        """
        if not keys.is_well_formed(secret):
            return None
        now = self._clock.now()
        digest = keys.digest_of(secret)
        entry = self._known.get(digest) or self._unknown.get(digest)
        if entry is None or not entry.is_fresh(now, self._ttl):
            entry = await self._reload(secret, digest, entry, now)
        return entry.principal(now)

    async def _reload(
        self, secret: str, digest: bytes, entry: _Entry | None, now: datetime
    ) -> _Entry:
        if entry is not None:
            # One caller asks; the others go on with what is remembered instead of queueing.
            entry.checked_at = now
        try:
            async with self._database.transaction() as tx:
                key = await keys.find(tx, secret)
        except Exception as error:
            if entry is None or not _may_outlive(entry, error, now):
                raise
            return entry
        loaded = self._remember(digest, _Entry(key, now, now))
        if key is not None and key.is_live(now):
            await self._note_use(key.id, now)
        return loaded

    def _remember(self, digest: bytes, entry: _Entry) -> _Entry:
        self._known.pop(digest, None)
        self._unknown.pop(digest, None)
        _put(self._known if entry.key is not None else self._unknown, digest, entry)
        return entry

    async def _note_use(self, key_id: UUID, now: datetime) -> None:
        noted = self._touched.get(key_id)
        if noted is not None and timedelta(0) <= now - noted < _TOUCH_EVERY:
            return
        self._touched.pop(key_id, None)
        _put(self._touched, key_id, now)
        try:
            async with self._database.transaction() as tx:
                await keys.touch(tx, key_id, at_most_every=_TOUCH_EVERY)
        except Exception as error:
            if not is_unavailable(error):
                raise
            _log.warning("key_use_not_noted", error=type(error).__name__)


def _may_outlive(entry: _Entry, error: Exception, now: datetime) -> bool:
    recent = timedelta(0) <= now - entry.loaded_at < _STALE
    return entry.key is not None and recent and is_unavailable(error)


def _put(memory: MutableMapping[_Key, _Value], key: _Key, value: _Value) -> None:
    if len(memory) >= _MOST:
        del memory[next(iter(memory))]
    memory[key] = value
