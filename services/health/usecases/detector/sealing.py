"""Seal days: compare every account's day with its own normal, and open or close what follows.

The peer factors of a day are planned first, for the group as a whole (`planning`). Then its
accounts are sealed in pieces, each in a short transaction of its own: an account's row says
through which day it is sealed, so a pass that was killed is taken up where it ended, by any
replica, and usage of at most one piece waits for a moment. An account that lags behind (late
events, first seen later, another segment, a decision about its past) is rebuilt from its daily
counts with the same factors: its past never depends on when it is looked at.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np

from services.health.domain.detector.budget import AlarmLedger
from services.health.domain.detector.decisions import Decision
from services.health.domain.detector.late import late_days
from services.health.domain.detector.monitoring import monitoring_of
from services.health.domain.detector.peers import PeerDay
from services.health.domain.detector.recent import RECENT_DAYS, roll
from services.health.domain.detector.replay import Exit, Mask, Stretch, replay
from services.health.domain.detector.state import Floats
from services.health.domain.profile.metrics import ACTIVE_USERS, EVENTS, watched
from services.health.storage.account import accounts
from services.health.storage.account.accounts import Member
from services.health.storage.detector import alarms, days, detector, monitoring, peers
from services.health.storage.detector.detector import Kept, Key, Rows
from services.health.usecases.detector.planning import Sealing, begins_on, days_of, off_days
from services.health.usecases.risk.watching import Watched, watch_sealed
from shared.contracts.health import UsageRolledUp
from shared.db.transaction import Transaction

_ONE_DAY = timedelta(days=1)
_ACTIVE_WINDOW = timedelta(days=27)
_SAID_AGAIN = 2
"""Of a long catch-up only the last days are announced; nobody acts on a day of last month."""


class Due(NamedTuple):
    """An account to be sealed: judged since, and from a first to a last day that are not yet.

    It goes on from the row that is kept of it, or is rebuilt.
    """

    member: Member
    kept: Kept | None
    since: date
    first: date
    last: date
    goes_on: bool

    @property
    def is_new(self) -> bool:
        """Whether its days are sealed for the first time."""
        return self.goes_on or self.member.sealed_through is None


@dataclass(frozen=True, slots=True)
class Part:
    """Accounts of a piece that are sealed together, their counts, and which days count."""

    due: Sequence[Due]
    span: tuple[date, date]
    counts: Mapping[str, Floats]
    stretch: Stretch

    @property
    def ids(self) -> list[str]:
        """The accounts, in the order of the arrays."""
        return [one.member.account_id for one in self.due]

    @property
    def is_off(self) -> Mask:
        """Whose last day is not judged."""
        last = self.columns([one.last for one in self.due])
        off: Mask = ~self.stretch.sealed[np.arange(len(last)), last]
        return off

    @property
    def is_rebased(self) -> Mask:
        """Whose usage on the last day was accepted as normal."""
        last = self.columns([one.last for one in self.due])
        rebased: Mask = self.stretch.accepted[np.arange(len(last)), last]
        return rebased

    def columns(self, of: Sequence[date]) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        """Return the columns of days."""
        return np.array([(day - self.span[0]).days for day in of], dtype=np.intp)


async def seal_piece(tx: Transaction, work: Sealing, after: str, *, wait: bool) -> str | None:
    """Bring the next accounts behind an account id up to their group; return the last one's id.

    None: there are no more. Accounts somebody else holds are left out unless ``wait``.
    """
    through = await peers.planned_through(tx, work.group)
    if through is None:
        return None
    members = await accounts.lagging(tx, work.group, through, (after, work.piece), wait=wait)
    kept = await detector.kept(tx, [member.account_id for member in members])
    due = [_due(work, member, kept.get(member.account_id), through) for member in members]
    for kind in ((True, True), (False, True), (False, False)):
        chosen = [one for one in due if one and (one.goes_on, one.is_new) == kind]
        if chosen:
            await _seal(tx, work, await _part(tx, work, chosen))
    return members[-1].account_id if len(members) == work.piece else None


def _due(work: Sealing, member: Member, kept: Kept | None, through: date) -> Due | None:
    closed = work.closed_through(member)
    if closed is None or (last := min(through, closed)) < member.first_day:
        return None
    since = begins_on(member.first_day, kept.since if kept else None, closed)
    if since > last:
        return None
    names = tuple(metric.name for metric in watched(work.profile.metrics))
    is_clean = member.dirty_from is None and member.sealed_through is not None
    if kept is None or not is_clean or kept.metrics != names:
        return Due(member, kept, since, since, last, goes_on=False)
    if kept.day >= last:
        return None
    return Due(member, kept, since, kept.day + _ONE_DAY, last, goes_on=True)


async def _part(tx: Transaction, work: Sealing, due: Sequence[Due]) -> Part:
    span = min(one.first for one in due), max(one.last for one in due)
    ids = [one.member.account_id for one in due]
    counts = await days.daily_counts(tx, watched(work.profile.metrics), ids, span)
    every = days_of(span)
    shared = await monitoring.gaps(tx, work.group.segment)
    decided = await monitoring.of_accounts(tx, ids)
    sealed, accepted = _masks(due, every, shared, decided)
    return Part(due, span, counts, Stretch(span[0], sealed, accepted))


def _masks(
    due: Sequence[Due],
    every: Sequence[date],
    shared: Sequence[Decision],
    decided: Mapping[str, Sequence[Decision]],
) -> tuple[Mask, Mask]:
    ordinals = np.array([day.toordinal() for day in every])
    first = np.array([one.first.toordinal() for one in due])[:, None]
    last = np.array([one.last.toordinal() for one in due])[:, None]
    within = (ordinals >= first) & (ordinals <= last)
    sealed = within & ~off_days(shared, every)
    accepted = np.zeros_like(sealed)
    for position, one in enumerate(due):
        for decision in decided.get(one.member.account_id, ()):
            sealed[position] &= ~off_days([decision], every)
            accepted[position] |= [decision.rebases(day) for day in every]
    return sealed, accepted & within


async def _seal(tx: Transaction, work: Sealing, part: Part) -> None:
    names = [metric.name for metric in watched(work.profile.metrics)]
    factors = await peers.days(tx, work.group, part.span)
    rule = work.profile.drop
    exit_rule = Exit(rule.exit_probability, rule.exit_ratio)
    before = detector.unpack([one.kept if one.goes_on else None for one in part.due], names)
    ledgers = {name: AlarmLedger() for name in names} if part.due[0].is_new else {}
    records = {}
    for name in names:
        known = factors.get(name) or [PeerDay(day) for day in days_of(part.span)]
        rules = (exit_rule, ledgers.get(name))
        records[name] = replay(before.records[name], part.counts[name], known, part.stretch, rules)
    tallies = {name: ledger.tallies for name, ledger in ledgers.items()}
    await alarms.add_tallies(tx, work.group, tallies)
    rows = Rows(records, _rolled(part, before.recent))
    await _note_late(tx, work, part, rows.recent)
    await detector.save(tx, _keys(part, rows), names, rows)
    for last in sorted({one.last for one in part.due}):
        here = [one.member.account_id for one in part.due if one.last == last]
        await accounts.mark_sealed(tx, here, last, work.caused_at)
    await _announce(tx, part)
    through = [one.last for one in part.due]
    watching = Watched(part.ids, through, rows, part.is_off, part.is_rebased)
    await watch_sealed(tx, work, watching)


def _keys(part: Part, rows: Rows) -> list[Key]:
    states = monitoring_of(rows.records[EVENTS], part.is_off)
    return [
        Key(one.member.account_id, one.since, one.last, state)
        for one, state in zip(part.due, states, strict=True)
    ]


def _rolled(part: Part, recent: Floats) -> Floats:
    counts = np.where(part.stretch.sealed, part.counts[EVENTS], np.nan)
    first = part.columns([one.first for one in part.due])
    last = part.columns([one.last for one in part.due])
    return roll(recent, counts, (first, last))


async def _note_late(tx: Transaction, work: Sealing, part: Part, recent: Floats) -> None:
    """Count the accounts whose sealed days are not what they were: their peers were planned so."""
    rebuilt = [n for n, one in enumerate(part.due) if one.kept and not one.goes_on]
    if not rebuilt:
        return
    rows = [(part.due[n].kept, part.due[n].last) for n in rebuilt]
    before = detector.unpack_recent([kept for kept, _ in rows])
    moved = np.array([(last - kept.day).days for kept, last in rows if kept], dtype=np.intp)
    late: Counter[date] = Counter()
    for account, column in np.argwhere(late_days(before, recent[rebuilt], moved)):
        late[rows[account][1] - timedelta(days=int(RECENT_DAYS - 1 - column))] += 1
    await peers.add_late(tx, work.group, late)


async def _announce(tx: Transaction, part: Part) -> None:
    """Say the last days of these accounts: events, active users, active users of 28 days."""
    for last in sorted({one.last for one in part.due}):
        here = [n for n, one in enumerate(part.due) if one.last == last]
        ids = [part.due[n].member.account_id for n in here]
        active = await days.active_users(tx, ids, (last - _ACTIVE_WINDOW, last))
        for n, account_id in zip(here, ids, strict=True):
            for day in _said(part.due[n]):
                column = (day - part.span[0]).days
                tx.emit(
                    UsageRolledUp(
                        account_id=account_id,
                        day=day,
                        events=int(part.counts[EVENTS][n, column]),
                        active_users=int(part.counts[ACTIVE_USERS][n, column]),
                        active_users_28d=active.get(account_id, 0),
                    )
                )


def _said(due: Due) -> list[date]:
    first = max(due.first, due.last - timedelta(days=_SAID_AGAIN - 1))
    return days_of((first, due.last))
