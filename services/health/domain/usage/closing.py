"""When a day of an account is over: by the stream's own time, or by the clock."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache

from shared.kernel.days import local_day


@dataclass(frozen=True, slots=True)
class StreamTime:
    """What time it is: by the clock, and by the latest event of a peer group's usage.

    ``event_grace`` is how far past midnight the stream must be; ``wall_grace`` how long past
    midnight the clock waits for late events when the stream is silent. ``backfill_since`` is set
    while past usage is being sent, and says how recently that touched an account to concern it.
    """

    now: datetime
    watermark: datetime | None
    event_grace: timedelta
    wall_grace: timedelta
    backfill_since: datetime | None = None

    def closed_through(
        self, zone: tzinfo, first_seen_at: datetime, backfilled_at: datetime | None = None
    ) -> date | None:
        """Return the last day that is over for an account in a zone, or None.

        The clock alone closes nothing for an account first seen within the grace: its history
        may still be on its way, and silence cannot be told from not yet. Nothing is closed for
        an account whose past is being sent right now: half a history looks like a drop.
        """
        if self._is_being_filled(backfilled_at):
            return None
        closed = []
        if self.watermark is not None:
            closed.append(_day_at(self.watermark - self.event_grace, zone))
        if self.now >= first_seen_at + self.wall_grace:
            closed.append(_day_at(self.now - self.wall_grace, zone))
        return max(closed) - timedelta(days=1) if closed else None

    def _is_being_filled(self, backfilled_at: datetime | None) -> bool:
        if self.backfill_since is None or backfilled_at is None:
            return False
        return backfilled_at >= self.backfill_since


@lru_cache(maxsize=256)
def _day_at(moment: datetime, zone: tzinfo) -> date:
    """Return a local day; thousands of accounts of a group ask for the same two."""
    return local_day(moment, zone)
