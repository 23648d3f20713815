"""The usage stream: raw usage has its own, faster road with the same guarantee.

A window of records is one transaction: remove duplicates, add up, upsert, keep the raw events,
and move the positions. Records that are no events at all are set aside as they are; events that
break the contract become rejections that their sender can read.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date

from services.health.domain.profile.profile import Profile
from services.health.domain.usage.counting import Wanted
from services.health.domain.usage.known_ids import Block, KnownIds
from services.health.listeners.usage_records import Read, RecordReader
from services.health.storage.usage import intake, usage_days, usage_ids
from services.health.storage.usage.usage_ids import CountedMeanwhileError
from services.health.usecases.profile.profiles import PROFILES
from services.health.usecases.usage.counting import Counting, Usage, count_usage
from shared.bus.batches import Batch
from shared.bus.dispatcher import dead_letter_of
from shared.db import dead_letters, inbox
from shared.db.errors import is_unavailable
from shared.db.transaction import Database, Transaction
from shared.kernel.failpoints import reach
from shared.observability.metrics import DEAD_LETTERS, USAGE_EVENTS, USAGE_FLUSH, USAGE_IDS_UNREAD

_MOST_LOOK_UPS = 200_000
"""Look-ups of ids for one window: some seconds. A run of a million is read in tenths of one."""


def _no_sums() -> Wanted:
    return {}


class UsageStream:
    """Counts the usage events of whole windows.

    Milestones are those of the profiles in force, unless one profile is given. ``sums`` says which
    properties to add up, by event name; it is asked for each window, so it
    may change at any time. ``raw_days`` 0 keeps no raw events. ``ids_mib`` is the memory for ids.
    """

    def __init__(
        self,
        database: Database,
        profile: Profile | None = None,
        *,
        raw_days: int = 14,
        ids_mib: int = 384,
        sums: Callable[[], Wanted] = _no_sums,
    ) -> None:
        self._database = database
        self._known = KnownIds(ids_mib * 1024 * 1024)
        self._profile = profile
        self._keeps_raw = raw_days > 0
        self._sums = sums
        self._reader = RecordReader()
        self._day = date.min
        self._remembering: asyncio.Task[None] | None = None

    async def handle(self, batches: Sequence[Batch], group: str) -> None:
        """Read batches and count them at once."""
        window = self.begin()
        for batch in batches:
            self.read(batch, window)
        await self.save(window, batches, group)

    def begin(self) -> Read:
        """Return an empty window."""
        return Read()

    def read(self, batch: Batch, window: Read) -> None:
        """Read records into a window; what is to be added up is asked when its first ones come."""
        if not window.values:
            self._reader.wanted = self._sums()
        self._reader.read(batch.records, self._database.clock.now(), window)

    async def save(self, window: Read, batches: Sequence[Batch], group: str) -> None:
        """Count a window and move the positions past its batches, in one transaction."""
        with USAGE_FLUSH.time():
            await self._move_on()
            await self._recall(len(window.arrivals))
            counted = await self._count(window, batches, group)
        reach("usage.after_commit")
        _measure(window, counted)
        self._begin_remembering()

    async def _move_on(self) -> None:
        """See to it that the day that is counted on is no earlier than the clock's."""
        if self._day < self._database.clock.now().date():
            async with self._database.transaction() as tx:
                self._day = await usage_days.move_on(tx)

    async def _recall(self, events: int) -> None:
        """Read the ids of runs first, where looking each event up in them would take longer.

        After a start, that is: a backlog meets a week of ids that are not in memory yet.
        """
        if not self._known.through:
            async with self._database.transaction() as tx:
                await usage_ids.learn(tx, self._known)
        if events * self._known.look_ups > _MOST_LOOK_UPS:
            self._begin_remembering()
            if self._remembering is not None:
                await asyncio.wait({self._remembering})

    def _begin_remembering(self) -> None:
        if self._remembering is None and self._known.next_to_read() is not None:
            self._remembering = asyncio.create_task(self._remember())

    async def _count(self, window: Read, batches: Sequence[Batch], group: str) -> int:
        """Count until no other replica got ahead with the same events; return how many counted."""
        while True:
            try:
                async with self._database.transaction() as tx:
                    block = await self._save(tx, window, batches, group)
                    reach("usage.before_commit")
            except CountedMeanwhileError:
                continue
            if block is None:
                return 0
            self._known.learn_block(block)
            USAGE_IDS_UNREAD.set(sum(run.ids for run in self._known.unread.values()))
            return len(block.keys)

    async def _save(
        self, tx: Transaction, window: Read, batches: Sequence[Batch], group: str
    ) -> Block | None:
        batch = Usage(window.arrivals, window.values)
        judge = self._profile or await PROFILES.current(tx)
        claim = await count_usage(tx, batch, Counting(judge, self._known, self._keeps_raw))
        await intake.add_rejections(tx, window.rejections)
        for record, why in window.poison:
            await dead_letters.save(tx, dead_letter_of(record, why))
        await _advance(tx, batches, group)
        return await usage_ids.keep(tx, claim, self._known) if claim else None

    async def _remember(self) -> None:
        """Read the ids of runs into memory, one run after the other, beside the counting."""
        try:
            while (run := self._known.next_to_read()) is not None:
                async with self._database.transaction() as tx:
                    await usage_ids.read_run(tx, run, self._known)
                USAGE_IDS_UNREAD.dec(run.ids)
        except Exception as error:  # until the next window they are looked up instead
            if not is_unavailable(error):
                raise
        finally:
            self._remembering = None


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
