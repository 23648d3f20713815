"""The usage stream: raw usage has its own, faster road with the same guarantee.

A window of records is one transaction: remove duplicates, add up, upsert, keep the raw events,
and move the positions. Records that are no events at all are set aside as they are; events that
break the contract become rejections that their sender can read.
"""

from collections.abc import Callable, Sequence
from datetime import date

from services.health.domain.profile.profile import Profile
from services.health.domain.usage.counting import Wanted
from services.health.listeners.usage_records import Read, RecordReader
from services.health.storage import intake, usage_days
from services.health.storage.usage_ids import ClosedDays
from services.health.usecases.counting import Counting, Usage, count_usage
from services.health.usecases.profiles import PROFILES
from shared.bus.consumer import Batch
from shared.bus.dispatcher import dead_letter_of
from shared.db import dead_letters, inbox
from shared.db.transaction import Database, Transaction
from shared.kernel.failpoints import reach
from shared.observability.metrics import DEAD_LETTERS, USAGE_EVENTS, USAGE_FLUSH


def _no_sums() -> Wanted:
    return {}


class UsageStream:
    """Counts the usage events of whole windows.

    Milestones are those of the profiles in force, unless one profile is given. ``sums`` says which
    properties to add up, by event name; it is asked for each window, so it
    may change at any time. ``raw_days`` 0 keeps no raw events.
    """

    def __init__(
        self,
        database: Database,
        profile: Profile | None = None,
        *,
        raw_days: int = 14,
        sums: Callable[[], Wanted] = _no_sums,
    ) -> None:
        self._database = database
        self._closed = ClosedDays()
        self._profile = profile
        self._keeps_raw = raw_days > 0
        self._sums = sums
        self._reader = RecordReader()
        self._prepared: date | None = None

    async def handle(self, batches: Sequence[Batch], group: str) -> None:
        """Read batches and count them at once."""
        window = self.begin()
        for batch in batches:
            self.read(batch, window)
        await self.save(window, batches, group)

    def begin(self) -> Read:
        """Return an empty window."""
        self._reader.wanted = self._sums()
        return Read()

    def read(self, batch: Batch, window: Read) -> None:
        """Read records into a window."""
        now = self._database.clock.now()
        for record in batch.records:
            self._reader.read(record, now, window)

    async def save(self, window: Read, batches: Sequence[Batch], group: str) -> None:
        """Count a window and move the positions past its batches, in one transaction."""
        try:
            with USAGE_FLUSH.time():
                async with self._database.transaction() as tx:
                    counted = await self._save(tx, window)
                    await _advance(tx, batches, group)
                    reach("usage.before_commit")
        except inbox.Fenced:
            self._prepared = None  # the day may have been closed
            raise
        self._prepared = tx.now.date()
        reach("usage.after_commit")
        _measure(window, counted)

    async def _save(self, tx: Transaction, window: Read) -> int:
        if self._prepared != tx.now.date():
            await usage_days.prepare(tx)
            await self._closed.refresh(tx)
        batch = Usage(window.arrivals, window.values, window.latest)
        judge = self._profile or await PROFILES.current(tx)
        counted = await count_usage(tx, batch, Counting(judge, self._closed, self._keeps_raw))
        await intake.add_rejections(tx, window.rejections)
        for record, why in window.poison:
            await dead_letters.save(tx, dead_letter_of(record, why))
        return counted

    async def remember_closed_days(self, database: Database) -> bool:
        """Learn which days are closed, and read one of them; return whether there are more."""
        async with database.transaction() as tx:
            await self._closed.refresh(tx)
            day = self._closed.next_to_read()
            if day is not None:
                await self._closed.read(tx, day)
        return day is not None


async def _advance(tx: Transaction, batches: Sequence[Batch], group: str) -> None:
    for topic in sorted({batch.topic for batch in batches}):
        moves: dict[int, tuple[int, int]] = {}
        for batch in batches:
            if batch.topic == topic:
                begins = moves.get(batch.partition, (batch.expected, 0))[0]
                moves[batch.partition] = (begins, batch.next_offset)
        await inbox.advance(tx, group, topic, moves)


def _measure(window: Read, counted: int) -> None:
    USAGE_EVENTS.labels("counted").inc(counted)
    USAGE_EVENTS.labels("duplicate").inc(len(window.arrivals) - counted)
    USAGE_EVENTS.labels("rejected").inc(len(window.rejections))
    for record, why in window.poison:
        DEAD_LETTERS.labels(record.topic, why.code).inc()
