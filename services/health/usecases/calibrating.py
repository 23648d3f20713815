"""Choose how sure the detector must be, so that alarms keep to the alert budget."""

from datetime import date, timedelta

from services.health.domain.detector.budget import BAND_EDGES, calibrate
from services.health.domain.profile.metrics import watched
from services.health.domain.profile.profile import Profile
from services.health.storage import alarms
from services.health.storage.alarms import InForce
from shared.db.transaction import Transaction

EVERY = timedelta(days=7)
EVERY_WHILE_YOUNG = timedelta(days=1)
_HISTORY = timedelta(days=365)


async def calibrate_when_due(tx: Transaction, profile: Profile) -> bool:
    """Choose thresholds anew once a week, daily while a band has too little history.

    All watched metrics share the budget. A budget that was changed is heeded at once.
    """
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('calibrate'))")
    metrics = [metric.name for metric in watched(profile.metrics)]
    budget = profile.drop.alerts_per_100_a_month / len(metrics)
    known = await alarms.in_force(tx)
    mine = [known.get((name, band)) for name in metrics for band in _bands()]
    if all(one is not None and not _is_due(tx, one, budget) for one in mine):
        return False
    since = _month(tx.now.date() - _HISTORY)
    await alarms.compact_tallies(tx, since)
    tallies = await alarms.tallies(tx, since)
    start = profile.drop.alarm_probability
    for name in metrics:
        chosen = [calibrate(b, tallies.get((name, b), {}), budget, start) for b in _bands()]
        await alarms.save_thresholds(tx, name, chosen, f"{profile.name}@{profile.version}")
    return True


def _bands() -> range:
    return range(1, len(BAND_EDGES) + 1)


def _is_due(tx: Transaction, one: InForce, budget: float) -> bool:
    every = EVERY if one.threshold.is_calibrated else EVERY_WHILE_YOUNG
    return one.threshold.budget != budget or tx.now - one.calibrated_at >= every


def _month(day: date) -> date:
    return day.replace(day=1)
