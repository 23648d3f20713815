"""Seal days: compare every account's day with its own normal, and open or close what follows.

A peer group is sealed day by day, all its accounts together. An account that lags behind its
group (late events, or first seen later) is rebuilt from its daily counts with the peer factors
that were stored, so its past never depends on when it is looked at.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import numpy as np

from services.health.domain.detector.gpr import ALARM_FROM_DAY, SealedDay, SegmentDay, seal_day
from services.health.domain.detector.state import DetectorState, SegmentState
from services.health.domain.profile.profile import Profile
from services.health.domain.usage.closing import StreamTime
from services.health.storage import accounts, days
from services.health.storage.accounts import Member, PeerGroup
from services.health.storage.days import JudgedDay, PeerDay
from services.health.usecases.profiles import PROFILES
from services.health.usecases.watching import watch_sealed
from shared.contracts.health import UsageRolledUp
from shared.db.transaction import Transaction
from shared.kernel.days import zone_of

_ONE_DAY = timedelta(days=1)
_ACTIVE_WINDOW = timedelta(days=27)
_SAID_AGAIN = timedelta(days=2)
"""Of a long catch-up only the last days are announced; nobody acts on a day of last month."""


@dataclass(slots=True)
class Pass:
    """One pass over a peer group: what was judged, and through which day each account is."""

    group: PeerGroup
    profile: Profile
    caused_at: datetime
    judged: list[JudgedDay] = field(default_factory=list)
    through: dict[str, date] = field(default_factory=dict)


async def seal_group(
    tx: Transaction, group: PeerGroup, profile: Profile, time: StreamTime, caused_at: datetime
) -> int:
    """Seal every day of a group that is over; return how many accounts moved.

    ``caused_at``: when the event that closed the last day came in.
    """
    await _lock(tx, group)
    members = await accounts.members(tx, group)
    zone = zone_of(group.time_zone)
    closed = {
        m.account_id: time.closed_through(zone, m.first_seen_at, m.backfilled_at) for m in members
    }
    done = Pass(group, profile, caused_at)
    at = await days.group_day(tx, group)
    await _catch_up(tx, done, [m for m in members if _lags(m, at)], closed, at)
    await _advance(tx, done, members, closed, at)
    await _finish(tx, done, {m.account_id: m for m in members})
    return len(done.through)


async def _lock(tx: Transaction, group: PeerGroup) -> None:
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtext('seal'), hashtext(:name))",
        name=f"{group.segment}/{group.time_zone}",
    )


def _lags(member: Member, group_day: date | None) -> bool:
    if group_day is None or member.first_day > group_day:
        return False
    is_behind = member.sealed_through is None or member.sealed_through < group_day
    return is_behind or member.dirty_from is not None


async def _catch_up(
    tx: Transaction,
    done: Pass,
    laggards: Sequence[Member],
    closed: Mapping[str, date | None],
    group_day: date | None,
) -> None:
    """Rebuild accounts one by one from their daily counts, up to where their group is."""
    if not laggards or group_day is None:
        return
    for metric in days.METRICS:
        known = await days.peer_days(tx, done.group, metric)
        for member in laggards:
            last = min(group_day, closed[member.account_id] or date.min)
            if last >= member.first_day:
                await _rebuild(tx, done, member, last, (metric, known))


async def _rebuild(
    tx: Transaction,
    done: Pass,
    member: Member,
    last: date,
    metric_days: tuple[str, Mapping[date, PeerDay]],
) -> None:
    metric, known = metric_days
    counts = await days.counts(tx, metric, [member.account_id], (member.first_day, last))
    state = DetectorState.fresh(1)
    for day in _range(member.first_day, last):
        peer = known.get(day, PeerDay(day, 1.0, SegmentState()))
        one = SegmentDay(
            counts=np.array([counts.get((member.account_id, day), 0.0)]),
            weekday=day.weekday(),
            peer_factor=peer.g,
            alarm_at=done.profile.drop.alarm_probability,
        )
        sealed = seal_day(state, peer.shape, one)
        state = sealed.state
        _note(done, metric, day, [member.account_id], (one, sealed))
    await days.save_states(tx, metric, last, {member.account_id: state.to_rows()[0]})
    done.through[member.account_id] = last


async def _advance(
    tx: Transaction,
    done: Pass,
    members: Sequence[Member],
    closed: Mapping[str, date | None],
    group_day: date | None,
) -> None:
    """Seal the group's next days, all accounts that are up to date together."""
    ready = [
        m for m in members if closed[m.account_id] is not None and _is_level(m, done, group_day)
    ]
    if not ready:
        return
    first = group_day + _ONE_DAY if group_day else min(m.first_day for m in ready)
    last = max(day for m in ready if (day := closed[m.account_id]) is not None)
    if first > last:
        return
    for metric in days.METRICS:
        await _advance_metric(tx, done, metric, ready, (first, last))
    for member in ready:
        if member.first_day <= last:
            done.through[member.account_id] = last


def _is_level(member: Member, done: Pass, group_day: date | None) -> bool:
    """Tell whether an account stands where its group does, so that it can go on with it."""
    through = done.through.get(member.account_id, member.sealed_through)
    if group_day is None or member.first_day > group_day:
        return through is None
    return through == group_day


async def _advance_metric(
    tx: Transaction, done: Pass, metric: str, ready: Sequence[Member], span: tuple[date, date]
) -> None:
    ids = [member.account_id for member in ready]
    counts = await days.counts(tx, metric, ids, span)
    stored = await days.states(tx, metric, ids)
    fresh = DetectorState.fresh(1).to_rows()[0]
    state = DetectorState.from_rows([stored.get(account_id, fresh) for account_id in ids])
    segment = await days.group_state(tx, done.group, metric)
    starts = np.array([member.first_day.toordinal() for member in ready])
    sealed_days = []
    for day in _range(*span):
        here = np.flatnonzero(starts <= day.toordinal())
        if not len(here):
            continue
        present = [ids[position] for position in here]
        one = SegmentDay(
            counts=np.array([counts.get((account_id, day), 0.0) for account_id in present]),
            weekday=day.weekday(),
            alarm_at=done.profile.drop.alarm_probability,
        )
        sealed = seal_day(state.take(here), segment, one)
        sealed_days.append(PeerDay(day, sealed.result.peer_factor, segment))
        state, segment = state.put(here, sealed.state), sealed.segment
        _note(done, metric, day, present, (one, sealed))
    rows = state.to_rows()
    await days.save_states(tx, metric, span[1], dict(zip(ids, rows, strict=True)))
    await days.save_group(tx, done.group, metric, segment, sealed_days)


def _note(
    done: Pass,
    metric: str,
    day: date,
    account_ids: Sequence[str],
    outcome: tuple[SegmentDay, SealedDay],
) -> None:
    one, sealed = outcome
    result = sealed.result
    # The risk's own life cycle keeps it from being told twice, so the detector's pause between
    # alarms is not applied: a state that was missed on one day is seen on the next.
    alarm = (result.probability >= one.alarm_at) & (sealed.state.age > ALARM_FROM_DAY)
    for position, account_id in enumerate(account_ids):
        done.judged.append(
            JudgedDay(
                account_id=account_id,
                metric=metric,
                day=day,
                y=float(one.counts[position]),
                mu=float(result.expected[position]),
                ratio=float(result.ratio[position]),
                p_down=float(result.probability[position]),
                peers=result.peer_factor,
                alarm=bool(alarm[position]),
            )
        )


async def _finish(tx: Transaction, done: Pass, members: Mapping[str, Member]) -> None:
    if not done.through:
        return
    await days.save_judged(tx, done.judged)
    by_day: dict[date, list[str]] = {}
    for account_id, through in sorted(done.through.items()):
        by_day.setdefault(through, []).append(account_id)
    for through, ids in sorted(by_day.items()):
        await accounts.mark_sealed(tx, ids, through, done.caused_at)
        await _announce(tx, done, ids, through)
        judged = {
            row.account_id: row
            for row in done.judged
            if row.metric == days.EVENTS and row.day == through
        }
        for profile, watched in await _by_profile(tx, ids):
            them = [members[account_id] for account_id in watched]
            await watch_sealed(tx, them, judged, profile, done.caused_at)


async def _by_profile(
    tx: Transaction, ids: Sequence[str]
) -> Iterable[tuple[Profile, Sequence[str]]]:
    """Split accounts of a group: one that is landing may be judged by another profile."""
    watched: dict[str, list[str]] = {}
    profiles = await PROFILES.for_accounts(tx, ids)
    for account_id in ids:
        watched.setdefault(profiles[account_id].name, []).append(account_id)
    return [(profiles[them[0]], them) for _, them in sorted(watched.items())]


async def _announce(tx: Transaction, done: Pass, ids: Sequence[str], through: date) -> None:
    """Say the last days of these accounts: events, active users, active users of 28 days."""
    active = await days.active_users(tx, ids, (through - _ACTIVE_WINDOW, through))
    said = {
        (row.account_id, row.day, row.metric): row.y
        for row in done.judged
        if row.day > through - _SAID_AGAIN
    }
    for account_id, day in sorted({(key[0], key[1]) for key in said if key[0] in set(ids)}):
        tx.emit(
            UsageRolledUp(
                account_id=account_id,
                day=day,
                events=int(said[account_id, day, days.EVENTS]),
                active_users=int(said[account_id, day, days.ACTIVE_USERS]),
                active_users_28d=active.get(account_id, 0),
            )
        )


def _range(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
