"""The door of time: days are sealed, scores refreshed and back-tests run."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from services.health.domain.usage.closing import StreamTime
from services.health.gateways.calculation import Calculation
from services.health.settings import (
    BACKFILL_PAUSE,
    BACKFILL_SPAN,
    EVENT_GRACE,
    STALE_AFTER,
    WALL_GRACE,
    Retention,
)
from services.health.storage.account import accounts
from services.health.storage.account.accounts import PeerGroup
from services.health.storage.backtest import backtests
from services.health.storage.backtest.backtests import Lease
from services.health.storage.detector import watermarks
from services.health.storage.detector.watermarks import Watermark
from services.health.storage.metric import metrics
from services.health.storage.score import score_history
from services.health.storage.usage import intake, usage, usage_days, usage_ids
from services.health.usecases.backtest.backtests import conclude
from services.health.usecases.detector.calibrating import calibrate_when_due
from services.health.usecases.detector.planning import Sealing, plan_days
from services.health.usecases.detector.sealing import seal_piece
from services.health.usecases.metric.backfilling import fill_some
from services.health.usecases.profile.activation import roll_out
from services.health.usecases.profile.profiles import PROFILES
from services.health.usecases.score.comparing import compute_distributions
from services.health.usecases.score.looking import look_at_due
from services.health.usecases.score.scoring import rescore_singly, rescore_some
from shared.db.errors import is_unavailable
from shared.db.jobs import Job
from shared.db.transaction import Database, Transaction
from shared.observability.logging import get_logger
from shared.observability.metrics import JOB_FAILURES

log = get_logger(__name__)

_STALE_AT_ONCE = 100
_ATTEMPTS = 3
_HEARTBEAT = 1.0


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


async def calibrate_alarms(database: Database) -> bool:
    """Choose how sure the drop detector must be, when that is due."""
    async with database.transaction() as tx:
        await calibrate_when_due(tx, await PROFILES.current(tx))
    return False


async def refresh_scores(database: Database) -> bool:
    """Score again the accounts that something happened to."""
    try:
        async with database.transaction() as tx:
            return await rescore_some(tx) > 0
    except Exception as error:
        if is_unavailable(error):
            raise
        log.exception("scoring_failed")
        return await rescore_singly(database)


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


async def refresh_stale_scores(database: Database) -> bool:
    """Have accounts scored again that nothing happened to for a day: silence moves scores too.

    A few at a time, so that accounts scored together, as after an import, spread over the hours.
    """
    async with database.transaction() as tx:
        await accounts.refresh_stale(tx, tx.now - STALE_AFTER, _STALE_AT_ONCE)
    return False


async def compare_accounts(database: Database) -> bool:
    """Compute the distributions that values are ranked in."""
    async with database.transaction() as tx:
        book = await PROFILES.current(tx)
        await compute_distributions(tx, book.profiles, _detail())
    return False


async def thin_scores(database: Database) -> bool:
    """Thin out the history of scores that is past its detail."""
    async with database.transaction() as tx:
        return await score_history.thin(tx, tx.now - _detail())


def _detail() -> timedelta:
    return timedelta(days=Retention().score_detail_days)


async def look_again(database: Database) -> bool:
    """Look again at accounts where time alone may have changed something."""
    return await look_at_due(database)


async def keep_usage_days(database: Database) -> bool:
    """Make the days of usage that are ahead, and drop those past their window.

    Also when no usage comes: the window moves on by itself.
    """
    async with database.transaction() as tx:
        await usage_days.make_ahead(tx)
    async with database.transaction() as tx:
        await usage_days.drop_past(tx, raw_days=Retention().usage_raw_days)
    return False


async def forget_intake(database: Database) -> bool:
    """Forget refused and unattributed events that are past their time."""
    async with database.transaction() as tx:
        return await intake.forget_before(tx, tx.now - timedelta(days=Retention().intake_days))


async def merge_usage_ids(database: Database) -> bool:
    """Merge the ids of many batches into one run; what was counted waits for no account."""
    async with database.transaction() as tx:
        merged = await usage_ids.merge(tx)
        await intake.forget_counted(tx, merged)
        return bool(merged)


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


JOBS = (
    Job("seal_days", timedelta(milliseconds=250), Sealer().run),
    Job("calibrate_alarms", timedelta(minutes=1), calibrate_alarms),
    Job("merge_usage_ids", timedelta(seconds=2), merge_usage_ids),
    Job("forget_intake", timedelta(minutes=10), forget_intake),
    Job("keep_usage_days", timedelta(minutes=10), keep_usage_days),
    # The busier it is, the longer a score waits: counting goes first.
    Job("refresh_scores", timedelta(milliseconds=250), refresh_scores, share=0.4),
    Job("look_again", timedelta(seconds=1), look_again),
    Job("refresh_stale_scores", timedelta(seconds=5), refresh_stale_scores),
    Job("compare_accounts", timedelta(minutes=10), compare_accounts),
    Job("thin_scores", timedelta(minutes=10), thin_scores),
    Job("roll_out_profiles", timedelta(seconds=1), roll_out_profiles),
    Job("fill_metrics", timedelta(seconds=1), fill_metrics),
    Job("count_metrics", timedelta(seconds=30), count_metrics),
    Job("run_backtests", timedelta(seconds=1), run_backtests),
)
