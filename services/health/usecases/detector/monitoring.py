"""Decide about monitoring: a new normal, suspend and resume, known gaps."""

from datetime import date, timedelta
from uuid import UUID

from services.health.domain.detector.decisions import Decision, DecisionKind
from services.health.storage.account import accounts
from services.health.storage.detector import monitoring
from services.health.usecases.accounts import known_account
from shared.db.transaction import Transaction
from shared.kernel.errors import Conflict, Invalid, NotFound

_LONGEST_GAP = timedelta(days=400)


class NotJudgedYet(Conflict):
    """No day of this account is judged yet, so there is nothing to decide about."""


class GapEndsBeforeItBegins(Invalid):
    """The last day of a gap is before its first."""


class GapTooLong(Invalid):
    """A known gap is at most 400 days; suspend monitoring for longer."""


class SegmentUnknown(NotFound):
    """No account is in this segment."""


class NotSuspended(Conflict):
    """The monitoring of this account is not suspended."""


class DecisionUnknown(NotFound):
    """There is no such decision about this account."""


class GapUnknown(NotFound):
    """There is no such known gap."""


async def accept_new_normal(tx: Transaction, account_id: str, reason: str, by: str) -> UUID:
    """Accept usage as it is on the last judged day as normal from then on."""
    day = await _judged_through(tx, account_id)
    decision = Decision(DecisionKind.NEW_NORMAL, day, None, reason)
    return await _decide(tx, account_id, decision, by)


async def suspend(
    tx: Transaction, account_id: str, days: tuple[date | None, date | None], reason: str, by: str
) -> UUID:
    """Suspend monitoring from a day (the last judged one, so that it holds at once) to another."""
    from_day = days[0] or await _judged_through(tx, account_id)
    decision = Decision(DecisionKind.SUSPENSION, from_day, days[1], reason)
    return await _decide(tx, account_id, decision, by)


async def resume(tx: Transaction, account_id: str) -> date:
    """Judge again from the day after the last one that was passed over; return that last one."""
    last = await _judged_through(tx, account_id)
    if not await monitoring.end_suspensions(tx, account_id, last):
        raise NotSuspended(f"the monitoring of {account_id!r} is not suspended")
    return last


async def add_known_gap(
    tx: Transaction, account_id: str, days: tuple[date, date], reason: str, by: str
) -> UUID:
    """Neither judge nor learn from some days of an account; past days are judged again."""
    await known_account(tx, account_id)
    return await _decide(
        tx, account_id, Decision(DecisionKind.KNOWN_GAP, days[0], days[1], reason), by
    )


async def withdraw(tx: Transaction, account_id: str, decision_id: UUID) -> None:
    """Take a decision back, as if it had never been made."""
    since = await monitoring.withdraw(tx, account_id, decision_id)
    if since is None:
        raise DecisionUnknown(f"{account_id!r} has no decision {decision_id}")
    await accounts.mark_dirty(tx, since, account_id=account_id)


async def add_segment_gap(
    tx: Transaction, segment: str | None, days: tuple[date, date], reason: str, by: str
) -> UUID:
    """Neither judge nor learn from some days of a segment, or of everybody."""
    gap = Decision(DecisionKind.KNOWN_GAP, days[0], days[1], reason)
    _check(gap)
    if segment is not None and segment not in await accounts.segments_in_use(tx, [segment]):
        raise SegmentUnknown(
            f"no account is in the segment {segment!r}; GET /api/v1/accounts shows each one's"
        )
    await accounts.mark_dirty(tx, gap.from_day, segment=segment)
    return await monitoring.add_gap(tx, segment, gap, by)


async def withdraw_segment_gap(tx: Transaction, gap_id: UUID) -> None:
    """Take a segment's known gap back."""
    gap = await monitoring.withdraw_gap(tx, gap_id)
    if gap is None:
        raise GapUnknown(f"there is no known gap {gap_id}")
    await accounts.mark_dirty(tx, gap["from_day"], segment=gap["segment"])


async def _decide(tx: Transaction, account_id: str, decision: Decision, by: str) -> UUID:
    _check(decision)
    await accounts.mark_dirty(tx, decision.from_day, account_id=account_id)
    return await monitoring.decide(tx, account_id, decision, by)


def _check(decision: Decision) -> None:
    if decision.until_day is None:
        return
    if decision.until_day < decision.from_day:
        raise GapEndsBeforeItBegins(
            f"until_day {decision.until_day} is before from_day {decision.from_day}; swap them"
        )
    is_gap = decision.kind is DecisionKind.KNOWN_GAP
    if is_gap and decision.until_day - decision.from_day >= _LONGEST_GAP:
        raise GapTooLong


async def _judged_through(tx: Transaction, account_id: str) -> date:
    through: date | None = (await known_account(tx, account_id))["sealed_through"]
    if through is None:
        raise NotJudgedYet(
            f"no day of {account_id!r} is judged yet; try again when its first day is over"
        )
    return through
