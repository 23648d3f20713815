"""What is due every so often: scores, metrics, thresholds, and what is to be forgotten."""

from datetime import timedelta

from services.health.settings import (
    STALE_AFTER,
    Retention,
)
from services.health.storage.account import accounts
from services.health.storage.metric import metrics
from services.health.storage.score import score_history
from services.health.storage.usage import intake, usage_days, usage_ids
from services.health.usecases.detector.calibrating import calibrate_when_due
from services.health.usecases.metric.backfilling import fill_some
from services.health.usecases.profile.activation import roll_out
from services.health.usecases.profile.profiles import PROFILES
from services.health.usecases.score.comparing import compute_distributions
from services.health.usecases.score.looking import look_at_due
from services.health.usecases.score.scoring import rescore_singly, rescore_some
from shared.db.errors import is_unavailable
from shared.db.transaction import Database
from shared.observability.logging import get_logger

log = get_logger(__name__)

_STALE_AT_ONCE = 100


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
