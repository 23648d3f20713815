"""The door of time: days are sealed and scores refreshed."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from services.health.domain.profile.profile import Profile
from services.health.domain.usage.closing import StreamTime
from services.health.settings import (
    BACKFILL_PAUSE,
    BACKFILL_SPAN,
    EVENT_GRACE,
    WALL_GRACE,
    Settings,
)
from services.health.storage import accounts, metrics, usage, usage_days, watermarks
from services.health.storage.accounts import PeerGroup
from services.health.storage.watermarks import Watermark
from services.health.usecases.activation import roll_out
from services.health.usecases.backfilling import fill_some
from services.health.usecases.profiles import PROFILES
from services.health.usecases.scoring import rescore_some
from services.health.usecases.sealing import seal_group
from shared.db.jobs import Job
from shared.db.transaction import Database, Transaction


class Sealer:
    """Seals the days that are over, and looks only when something may have changed.

    A peer group is judged by its segment's profile, unless one is given.
    """

    def __init__(self, profile: Profile | None = None) -> None:
        self._profile = profile
        self._seen: object = None

    async def run(self, database: Database) -> bool:
        """Seal what is over in every peer group."""
        async with database.transaction() as tx:
            marks = await watermarks.by_group(tx, EVENT_GRACE)
            filling = await _backfill_since(tx)
            # An account that is new may bring days that have long been over.
            new = await accounts.count_unsealed(tx)
            look = (filling is not None, new, *_looked_at(tx.now, marks))
            if look == self._seen and not await accounts.count_dirty(tx):
                return False
            groups = await accounts.peer_groups(tx)
        for group in groups:
            async with database.transaction() as tx:
                mark = marks.get(group)
                at = mark and mark.event_time
                time = StreamTime(tx.now, at, EVENT_GRACE, WALL_GRACE, filling)
                caused_at = mark.received_at if mark else tx.now
                profile = self._profile or (await PROFILES.current(tx)).for_segment(group.segment)
                await seal_group(tx, group, profile, time, caused_at)
        self._seen = look
        return False


async def refresh_scores(database: Database) -> bool:
    """Score again the accounts that something happened to."""
    async with database.transaction() as tx:
        return await rescore_some(tx) > 0


async def roll_out_profiles(database: Database) -> bool:
    """Have accounts scored by the profile that changed, a few at a time."""
    async with database.transaction() as tx:
        return await roll_out(tx)


async def fill_metrics(database: Database) -> bool:
    """Fill the history of metrics that a profile added."""
    async with database.transaction() as tx:
        return await fill_some(tx)


async def count_metrics(database: Database) -> bool:
    """Count how many accounts each metric covers."""
    async with database.transaction() as tx:
        await metrics.summarise(tx)
    return False


async def keep_usage_days(database: Database) -> bool:
    """Make the days of usage that are ahead, and drop those past their window.

    Also when no usage comes: the window moves on by itself.
    """
    async with database.transaction() as tx:
        await usage_days.make_ahead(tx)
    async with database.transaction() as tx:
        await usage_days.drop_past(tx, raw_days=Settings().usage_raw_days)
    return False


async def _backfill_since(tx: Transaction) -> datetime | None:
    """Return since when accounts count as touched by a back-fill; None when none is under way."""
    last = await usage.last_backfill(tx)
    is_over = last is None or tx.now - last > BACKFILL_PAUSE
    return None if is_over else tx.now - BACKFILL_SPAN


def _looked_at(now: datetime, marks: Mapping[PeerGroup, Watermark]) -> tuple[object, object]:
    """Return what time it is everywhere, in whole minutes: days do not end in between."""
    by_group = {group: _minute(mark.event_time) for group, mark in marks.items()}
    return _minute(now), by_group


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


JOBS = (
    Job("seal_days", timedelta(milliseconds=250), Sealer().run),
    Job("keep_usage_days", timedelta(minutes=10), keep_usage_days),
    Job("refresh_scores", timedelta(milliseconds=250), refresh_scores),
    Job("roll_out_profiles", timedelta(seconds=1), roll_out_profiles),
    Job("fill_metrics", timedelta(seconds=1), fill_metrics),
    Job("count_metrics", timedelta(seconds=30), count_metrics),
)
