"""Plan the next days of a peer group: the peer factor that all its accounts are judged with.

Planning reads all accounts of the group and locks none. What it leaves, one row a day and metric,
is all that the accounts need of each other: each is then sealed by itself, in small pieces.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from services.health.domain.detector.decisions import Decision
from services.health.domain.detector.late import STALE_SHARE
from services.health.domain.detector.peers import PeerDay, is_segment_down
from services.health.domain.detector.replay import Mask, plan
from services.health.domain.detector.state import MIN_VOTERS, SegmentState
from services.health.domain.profile.metrics import EVENTS, watched
from services.health.domain.profile.profile import Profile
from services.health.domain.usage.closing import StreamTime
from services.health.storage.account import accounts
from services.health.storage.account.accounts import Member, PeerGroup
from services.health.storage.detector import alarms, days, detector, monitoring, peers
from services.health.storage.detector.peers import Planned
from shared.contracts.health import SegmentUsageDropped, SegmentUsageRecovered
from shared.db.transaction import Transaction
from shared.kernel.days import zone_of
from shared.observability.logging import get_logger

log = get_logger(__name__)

HISTORY_DAYS = 400
"""How far back days are judged when an account is first sealed; what is older is counted only."""

PIECE = 1000
"""Accounts sealed in one transaction: usage of these waits for as long as it takes."""

_CELLS = 20_000_000
"""Accounts x metrics x days planned in one go: bounds the memory of a long catch-up."""

_LOOK_BACK = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Sealing:
    """A peer group whose days are sealed: by which profile, and what time it is there.

    ``caused_at``: when the event that closed the last day came in. ``piece``: how many accounts
    are sealed in one transaction.
    """

    group: PeerGroup
    profile: Profile
    time: StreamTime
    caused_at: datetime
    piece: int = PIECE

    def closed_through(self, member: Member) -> date | None:
        """Return the last day that is over for an account."""
        zone = zone_of(self.group.time_zone)
        return self.time.closed_through(zone, member.first_seen_at, member.backfilled_at)


def begins_on(first_day: date, since: date | None, last: date) -> date:
    """Return the first day an account is judged on; it does not move once it is `since`."""
    earliest = last - timedelta(days=HISTORY_DAYS - 1)
    return max(first_day, min(since, earliest) if since else earliest)


def off_days(decisions: Sequence[Decision], span: Sequence[date]) -> Mask:
    """Return for each day of a span whether a decision suspends it."""
    return np.array([any(one.suspends(day) for one in decisions) for day in span], dtype=bool)


def days_of(span: tuple[date, date]) -> list[date]:
    """Return every day of an inclusive span."""
    return [span[0] + timedelta(days=n) for n in range((span[1] - span[0]).days + 1)]


async def plan_days(tx: Transaction, work: Sealing) -> bool:
    """Plan the next days of a group that are over; return whether there were any."""
    metrics = watched(work.profile.metrics)
    await peers.lock(tx, work.group)
    if why := await _why_again(tx, work, {metric.name for metric in metrics}):
        # From the daily counts of all days. Accounts first, as sealing takes them.
        log.info("group_judged_again", segment=work.group.segment, why=why)
        await accounts.rejudge(tx, work.group)
        await peers.forget(tx, work.group)
    through = await peers.planned_through(tx, work.group)
    last = await _over(tx, work)
    if last is None or (through and last <= through):
        return False
    closed = {m: work.closed_through(m) for m in await accounts.voters(tx, work.group, through)}
    voters = [m for m, until in closed.items() if until and until >= m.first_day]
    if not voters:
        return False
    span = _span(voters, through, last, len(metrics))
    await _plan(tx, work, voters, span)
    return True


async def _why_again(tx: Transaction, work: Sealing, watched_now: set[str]) -> str | None:
    """Return why the days that are planned are of no use any more; None when they are."""
    habits = await peers.habits(tx, work.group)
    if habits and set(habits) != watched_now:
        return "other metrics are watched than before"
    # While the past is being sent, more of it is on its way.
    is_over = work.time.backfill_since is None
    if is_over and await peers.is_stale(tx, work.group, STALE_SHARE, MIN_VOTERS):
        return "usage of many accounts came in late"
    return None


async def _over(tx: Transaction, work: Sealing) -> date | None:
    """Return the last day that is over for anybody in the group."""
    first_seen_at = await accounts.first_seen(tx, work.group, work.time.backfill_since)
    if first_seen_at is None:
        return None
    return work.time.closed_through(zone_of(work.group.time_zone), first_seen_at)


def _span(
    voters: Sequence[Member], through: date | None, last: date, metrics: int
) -> tuple[date, date]:
    first = min(begins_on(m.first_day, None, last) for m in voters)
    if through is not None:
        first = through + timedelta(days=1)
    at_once = min(HISTORY_DAYS, max(1, _CELLS // (len(voters) * metrics)))
    return min(first, last), min(last, first + timedelta(days=at_once - 1))


async def _plan(
    tx: Transaction, work: Sealing, voters: Sequence[Member], span: tuple[date, date]
) -> None:
    metrics = watched(work.profile.metrics)
    names = [metric.name for metric in metrics]
    ids = [member.account_id for member in voters]
    kept = await detector.kept(tx, ids)
    # Who begins on these days is fresh, whatever was kept of it as a member of another group.
    begun = [kept.get(m.account_id) if _stands_before(m, span[0]) else None for m in voters]
    rows = detector.unpack([k if k and list(k.metrics) == names else None for k in begun], names)
    counts = await days.daily_counts(tx, metrics, ids, span)
    sealed = await _voting(tx, work, voters, span)
    habits = await peers.habits(tx, work.group)
    planned = []
    for name in names:
        habit = PeerDay(span[0], shape=habits.get(name, SegmentState()))
        state = rows.records[name].state
        found, after = plan(state, counts[name], sealed, habit, days_of(span))
        planned.append(Planned(name, found, after.shape))
    await peers.save(tx, work.group, planned)
    await _watch_group(tx, work.group, span)


def _stands_before(member: Member, first: date) -> bool:
    return member.sealed_through == first - timedelta(days=1) and member.dirty_from is None


async def _voting(
    tx: Transaction, work: Sealing, voters: Sequence[Member], span: tuple[date, date]
) -> Mask:
    every = days_of(span)
    ordinals = np.array([day.toordinal() for day in every])
    ends = [work.closed_through(m) or date.min for m in voters]
    starts = [
        begins_on(m.first_day, None, max(end, m.first_day))
        for m, end in zip(voters, ends, strict=True)
    ]
    first = np.array([day.toordinal() for day in starts])[:, None]
    last = np.array([day.toordinal() for day in ends])[:, None]
    shared = off_days(await monitoring.gaps(tx, work.group.segment), every)
    sealed = (ordinals >= first) & (ordinals <= last) & ~shared
    decided = await monitoring.of_accounts(tx, [m.account_id for m in voters])
    for position, member in enumerate(voters):
        if member.account_id in decided:
            sealed[position] &= ~off_days(decided[member.account_id], every)
    return sealed


async def _watch_group(tx: Transaction, group: PeerGroup, span: tuple[date, date]) -> None:
    """Say when a whole segment is down, and when it is back."""
    known = (await peers.days(tx, group, (span[0] - _LOOK_BACK, span[1]))).get(EVENTS, [])
    alarm = await alarms.open_segment_alarm(tx, group)
    is_down = is_segment_down(known, was_down=alarm is not None)
    last = known[-1]
    if is_down and alarm is None:
        await alarms.raise_segment_alarm(tx, group, last.day, last.g, last.voters)
        tx.emit(
            SegmentUsageDropped(
                account_id=f"segment:{group.segment}",
                segment=group.segment,
                time_zone=group.time_zone,
                day=last.day,
                level=last.g,
                accounts=last.voters,
            )
        )
    elif alarm is not None and not is_down:
        await alarms.end_segment_alarm(tx, alarm["id"], last.day)
        tx.emit(
            SegmentUsageRecovered(
                account_id=f"segment:{group.segment}",
                segment=group.segment,
                time_zone=group.time_zone,
                day=last.day,
                level=last.g,
                opened_on=alarm["opened_on"],
            )
        )
