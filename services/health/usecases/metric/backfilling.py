"""Fill the history of metrics that a profile adds, account by account, some at a time."""

from collections.abc import Sequence
from datetime import timedelta

from services.health.domain.profile.metrics import Metric
from services.health.storage.account import accounts
from services.health.storage.metric import backfills, metrics
from services.health.storage.metric.backfills import Backfill
from services.health.usecases.metric.metrics import Task, history_days, measured, value_of
from services.health.usecases.metric.summing import make_sums, note_complete
from services.health.usecases.profile.profiles import PROFILES
from shared.db.transaction import Transaction

_MEASURED_AT_ONCE = 50
_SUMS_MORE = 100
"""Making sums reads all of raw usage, so it is done for many accounts at once."""

_READERS_HEAR = timedelta(seconds=10)
"""Until every reader of the stream adds up what a new metric needs, its past cannot be told."""


async def fill_some(tx: Transaction, at_once: int = 50) -> bool:
    """Fill the history of a metric for the next accounts; return whether there is more to do.

    How far it came is noted with what was filled: after a crash it goes on from there, and what
    is filled twice is the same. Scores of the past are not computed again.
    """
    one = await backfills.claim(tx)
    if one is None:
        return False
    metric = await _definition(tx, one)
    if metric is None:
        await backfills.finish(tx, one, state="stopped", note="the version is not active any more")
        return True
    if metric.pairs():
        if tx.now - one.started_at < _READERS_HEAR:
            return False
        at_once *= _SUMS_MORE
    account_ids = await backfills.next_accounts(tx, one.reached, at_once)
    if not account_ids:
        await note_complete(tx, metric.pairs())
        await backfills.finish(tx, one, state="done")
        return True
    days = await _fill(tx, one, metric, account_ids)
    await backfills.advance(tx, one, reached=account_ids[-1], accounts=len(account_ids), days=days)
    return True


async def _definition(tx: Transaction, one: Backfill) -> Metric | None:
    profile = (await PROFILES.current(tx)).get(one.profile)
    if profile is None or profile.version != one.version:
        return None
    return next((metric for metric in profile.metrics if metric.name == one.metric), None)


async def _fill(tx: Transaction, one: Backfill, metric: Metric, account_ids: Sequence[str]) -> int:
    """Fill the accounts that the profile judges; return how many account days that were."""
    profiles = await PROFILES.for_accounts(tx, account_ids)
    judged = [account_id for account_id in account_ids if profiles[account_id].name == one.profile]
    since = await make_sums(tx, account_ids, metric.pairs())
    tasks = [
        Task(account, [metric], history_days(account), profiles[account.account_id].label)
        for account in await metrics.known(tx, judged)
    ]
    days = 0
    for first in range(0, len(tasks), _MEASURED_AT_ONCE):
        found = await measured(tx, tasks[first : first + _MEASURED_AT_ONCE], since)
        await metrics.save(tx, (value_of(*part) for part in found))
        days += len(found)
    if metric.pairs():
        # They were scored by the new version before there was a sum to listen to.
        await accounts.score_again(tx, judged)
    return days
