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
    load_profile,
)
from services.health.storage import accounts, usage, usage_days, watermarks
from services.health.storage.accounts import PeerGroup
from services.health.storage.watermarks import Watermark
from services.health.usecases.scoring import rescore_some
from services.health.usecases.sealing import seal_group
from shared.db.jobs import Job
from shared.db.transaction import Database, Transaction


class Sealer:
    """Seals the days that are over, and looks only when something may have changed."""

    def __init__(self, profile: Profile) -> None:
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
                await seal_group(tx, group, self._profile, time, caused_at)
        self._seen = look
        return False


async def refresh_scores(database: Database) -> bool:
    """Score again the accounts that something happened to."""
    async with database.transaction() as tx:
        return await rescore_some(tx, _PROFILE) > 0


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


_PROFILE = load_profile()

JOBS = (
    Job("seal_days", timedelta(milliseconds=250), Sealer(_PROFILE).run),
    Job("keep_usage_days", timedelta(minutes=10), keep_usage_days),
    Job("refresh_scores", timedelta(milliseconds=250), refresh_scores),
)
