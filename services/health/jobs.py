"""The door of time: days are sealed, scores refreshed and back-tests run."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from services.health.domain.profile.profile import Profile
from services.health.domain.usage.closing import StreamTime
from services.health.gateways.calculation import Calculation
from services.health.settings import (
    BACKFILL_PAUSE,
    BACKFILL_SPAN,
    EVENT_GRACE,
    WALL_GRACE,
    load_profile,
)
from services.health.storage import accounts, backtests, usage, watermarks
from services.health.storage.accounts import PeerGroup
from services.health.storage.backtests import Lease
from services.health.storage.watermarks import Watermark
from services.health.usecases.backtests import conclude
from services.health.usecases.scoring import rescore_some
from services.health.usecases.sealing import seal_group
from shared.db.jobs import Job
from shared.db.transaction import Database, Transaction

_ATTEMPTS = 3
_HEARTBEAT = 1.0


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


async def run_backtests(database: Database) -> bool:
    """Run the back-test whose turn it is, in a process of its own; one at a time everywhere."""
    async with database.transaction() as tx:
        lease = await backtests.claim(tx)
        if lease is not None and lease.attempt > _ATTEMPTS:
            await backtests.fail(tx, lease, "its worker ended three times before it was done")
            return True
    if lease is None:
        return False
    url = database.engine.url.render_as_string(hide_password=False)
    calculation = await Calculation.start(url, lease.id)
    try:
        said = await _follow(database, lease, calculation)
    except asyncio.CancelledError:
        async with database.transaction() as tx:
            await backtests.give_back(tx, lease)
        raise
    finally:
        code = await calculation.stop()
    async with database.transaction() as tx:
        await _conclude(tx, lease, said, code)
    return True


async def _follow(
    database: Database, lease: Lease, calculation: Calculation
) -> Mapping[str, Any] | None:
    """Keep the lease while it calculates; return its last words, None when it has none."""
    progress, stage = 0.0, "starting"
    hearing = asyncio.ensure_future(calculation.heard())
    try:
        while True:
            await asyncio.wait([hearing], timeout=_HEARTBEAT)
            if hearing.done():
                said = hearing.result()
                if said is None or "progress" not in said:
                    return said
                progress, stage = said["progress"], said["stage"]
                hearing = asyncio.ensure_future(calculation.heard())
            async with database.transaction() as tx:
                if not await backtests.renew(tx, lease, progress, stage):
                    return None
    finally:
        hearing.cancel()


async def _conclude(
    tx: Transaction, lease: Lease, said: Mapping[str, Any] | None, code: int
) -> None:
    if said is not None and "result" in said:
        await conclude(tx, lease, said)
    elif said is not None:
        await backtests.fail(tx, lease, str(said["refused"]))
    elif lease.attempt < _ATTEMPTS:
        await backtests.give_back(tx, lease)
    else:
        hint = "; most likely there was too little memory" if code < 0 else "; see the log"
        words = f"the calculation ended {_ATTEMPTS} times with exit code {code}{hint}"
        await backtests.fail(tx, lease, words)


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
    Job("refresh_scores", timedelta(milliseconds=250), refresh_scores),
    Job("run_backtests", timedelta(seconds=1), run_backtests),
)
