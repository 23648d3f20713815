"""The door of time: days are sealed and scores refreshed."""

from datetime import datetime, timedelta

from services.health.domain.closing import StreamTime
from services.health.domain.profile import Profile
from services.health.settings import EVENT_GRACE, WALL_GRACE, load_profile
from services.health.storage import accounts, usage
from services.health.usecases.scoring import rescore_some
from services.health.usecases.sealing import seal_group
from shared.db.jobs import Job
from shared.db.transaction import Database, Transaction


class Sealer:
    """Seals the days that are over, and looks only when something may have changed."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._seen: tuple[datetime, datetime] | None = None

    async def run(self, database: Database) -> bool:
        """Seal what is over in every peer group."""
        async with database.transaction() as tx:
            time = await _stream_time(tx)
            look = _looked_at(time)
            if look == self._seen and not await accounts.count_dirty(tx):
                return False
            groups = await accounts.peer_groups(tx)
        for group in groups:
            async with database.transaction() as tx:
                await seal_group(tx, group, self._profile, time)
        self._seen = look
        return False


async def refresh_scores(database: Database) -> bool:
    """Score again the accounts that something happened to."""
    async with database.transaction() as tx:
        return await rescore_some(tx, _PROFILE) > 0


async def _stream_time(tx: Transaction) -> StreamTime:
    seen = await usage.watermark(tx)
    return StreamTime(tx.now, seen[0] if seen else None, EVENT_GRACE, WALL_GRACE)


def _looked_at(time: StreamTime) -> tuple[datetime, datetime]:
    """Return the stream's time in whole minutes: days do not end in between."""
    mark = time.watermark or datetime.min.replace(tzinfo=time.now.tzinfo)
    return (time.now.replace(second=0, microsecond=0), mark.replace(second=0, microsecond=0))


_PROFILE = load_profile()

JOBS = (
    Job("seal_days", timedelta(milliseconds=250), Sealer(_PROFILE).run),
    Job("refresh_scores", timedelta(milliseconds=250), refresh_scores),
)
