"""Sealing: the days that are over, in every peer group."""

import asyncio
from collections.abc import Mapping
from datetime import datetime

from services.health.domain.usage.closing import StreamTime
from services.health.settings import (
    BACKFILL_PAUSE,
    BACKFILL_SPAN,
    EVENT_GRACE,
    WALL_GRACE,
)
from services.health.storage.account import accounts
from services.health.storage.account.accounts import PeerGroup
from services.health.storage.detector import watermarks
from services.health.storage.detector.watermarks import Watermark
from services.health.storage.usage import usage
from services.health.usecases.detector.planning import Sealing, plan_days
from services.health.usecases.detector.sealing import seal_piece
from services.health.usecases.profile.profiles import PROFILES
from shared.db.errors import is_unavailable
from shared.db.transaction import Database, Transaction
from shared.observability.logging import get_logger
from shared.observability.metrics import JOB_FAILURES

log = get_logger(__name__)


class Sealer:
    """Seals the days that are over, and looks only when something may have changed."""

    def __init__(self) -> None:
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
            book, now = await PROFILES.current(tx), tx.now
        for group in groups:
            mark = marks.get(group)
            at = mark and mark.event_time
            time = StreamTime(now, at, EVENT_GRACE, WALL_GRACE, filling)
            caused_at = mark.received_at if mark else now
            profile = book.for_segment(group.segment)
            await _seal_alone(database, Sealing(group, profile, time, caused_at))
        self._seen = look
        return False


async def _seal_alone(database: Database, work: Sealing) -> None:
    """Seal a group; one that fails keeps no other from its turn, and is tried at the next look."""
    try:
        await seal_group(database, work)
    except* Exception as errors:
        if errors.subgroup(is_unavailable):
            raise
        JOB_FAILURES.labels("seal_days").inc()
        group = work.group
        log.exception("group_not_sealed", segment=group.segment, time_zone=group.time_zone)


async def seal_group(database: Database, work: Sealing) -> None:
    """Seal the days of a group that are over: plan some, bring every account up, and again."""
    planned = True
    while planned:
        await bring_up(database, work)
        async with database.transaction() as tx:
            planned = await plan_days(tx, work)


async def bring_up(database: Database, work: Sealing) -> None:
    """Seal piece by piece, each in its own transaction: first what nobody holds, then the rest.

    Two at a time: while Postgres works on one, the other is judged.
    """
    async with asyncio.TaskGroup() as both:
        for _ in range(2):
            both.create_task(_pieces(database, work, wait=False))
    await _pieces(database, work, wait=True)


async def _pieces(database: Database, work: Sealing, *, wait: bool) -> None:
    after: str | None = ""
    while after is not None:
        async with database.transaction() as tx:
            after = await seal_piece(tx, work, after, wait=wait)


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
