"""Choose how sure the detector must be, so that alarms keep to the alert budgets of profiles."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

from services.health.domain.detector.budget import BAND_EDGES, Tally, Threshold, calibrate
from services.health.domain.profile.book import ProfileBook
from services.health.domain.profile.metrics import watched
from services.health.domain.profile.profile import Profile
from services.health.domain.profile.standing import LifeStage
from services.health.storage.detector import alarms
from services.health.storage.detector.alarms import Counted, InForce
from shared.db.transaction import Transaction

EVERY = timedelta(days=7)
EVERY_WHILE_YOUNG = timedelta(days=1)
_HISTORY = timedelta(days=365)


async def calibrate_when_due(tx: Transaction, book: ProfileBook) -> bool:
    """Choose each profile's thresholds anew once a week, daily while a band has little history.

    A profile's watched metrics share its budget. A budget that was changed is heeded at once.
    Profiles of a life stage have none: a segment's accounts are watched by one profile.
    """
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('calibrate'))")
    due = [one for one in book.profiles if _watches(one) and await _is_due(tx, one)]
    if not due:
        return False
    since = (tx.now.date() - _HISTORY).replace(day=1)
    await alarms.compact_tallies(tx, since)
    counted = await alarms.tallies(tx, since)
    for profile in due:
        own = [one for one in counted if book.for_segment(one.segment) == profile]
        for metric in _names(profile):
            chosen = [_choose(profile, metric, band, (own, counted)) for band in _bands()]
            await alarms.save_thresholds(tx, metric, chosen, profile.label)
    return True


def _choose(
    profile: Profile, metric: str, band: int, histories: tuple[Sequence[Counted], ...]
) -> Threshold:
    """Choose on the profile's own accounts; on everybody's while those have too little history."""
    start = profile.drop.alarm_probability
    own, everybody = (
        calibrate(band, _by_month(history, metric, band), _budget(profile), start)
        for history in histories
    )
    return own if own.is_calibrated else everybody


def _by_month(counted: Iterable[Counted], metric: str, band: int) -> Mapping[date, Tally]:
    found: dict[date, Tally] = {}
    for one in counted:
        if (one.metric, one.band) == (metric, band):
            known = found.get(one.month)
            found[one.month] = known + one.tally if known else one.tally
    return found


def _watches(profile: Profile) -> bool:
    stages = profile.applies_to.life_stages
    return not stages or LifeStage.ESTABLISHED in stages


def _names(profile: Profile) -> list[str]:
    return [metric.name for metric in watched(profile.metrics)]


def _budget(profile: Profile) -> float:
    return profile.drop.alerts_per_100_a_month / len(_names(profile))


def _bands() -> range:
    return range(1, len(BAND_EDGES) + 1)


async def _is_due(tx: Transaction, profile: Profile) -> bool:
    known = await alarms.in_force(tx, profile.name)
    wanted = [known.get((name, band)) for name in _names(profile) for band in _bands()]
    return any(one is None or _is_old(tx, one, _budget(profile)) for one in wanted)


def _is_old(tx: Transaction, one: InForce, budget: float) -> bool:
    every = EVERY if one.threshold.is_calibrated else EVERY_WHILE_YOUNG
    return one.threshold.budget != budget or tx.now - one.calibrated_at >= every
