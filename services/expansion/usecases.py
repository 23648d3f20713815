"""What expansion does: note what is heard, then review the account under its lock."""

from dataclasses import replace
from datetime import date
from uuid import UUID

from services.expansion import storage
from services.expansion.domain.account import Account
from services.expansion.domain.entitlement import Entitlement, entitlement_on
from services.expansion.domain.hold import Risk, holds_on
from services.expansion.domain.opportunity import (
    MORE_SEATS,
    Decision,
    Opportunity,
    OpportunityNotFound,
)
from services.expansion.domain.utilisation import Usage, Utilisation
from shared.contracts.event import Fact
from shared.contracts.expansion import (
    LimitApproaching,
    OpportunityLapsed,
    OpportunityLost,
    OpportunityOpened,
    OpportunityWithheld,
    OpportunityWon,
)
from shared.db import timers
from shared.db.transaction import Transaction
from shared.kernel.ids import new_id

HOLD_TIMER = "upsell_hold_ends"


async def describe_account(tx: Transaction, account_id: str, *, time_zone: str) -> None:
    """Note an account's time zone; the end of its landing moves with it."""
    before = await storage.lock_account(tx, account_id)
    await _hold(tx, before, replace(before, time_zone=time_zone))


async def start_landing(tx: Transaction, account_id: str, *, no_upsell_until: date) -> None:
    """Note that nothing is to be sold to an account until a day."""
    before = await storage.lock_account(tx, account_id)
    await _hold(tx, before, replace(before, no_upsell_until=no_upsell_until))


async def end_landing(tx: Transaction, account_id: str) -> None:
    """Note that an account is landed, before the day or after it."""
    before = await storage.lock_account(tx, account_id)
    await _hold(tx, before, replace(before, no_upsell_until=None))


async def note_entitlement(tx: Transaction, entitlement: Entitlement) -> None:
    """Note the seats an account has bought."""
    account = await storage.lock_account(tx, entitlement.account_id)
    await storage.keep_entitlement(tx, entitlement)
    await review(tx, account)


async def note_usage(tx: Transaction, account_id: str, usage: Usage) -> None:
    """Note a day's figures; those of a day before the latest known change nothing."""
    before = await storage.lock_account(tx, account_id)
    account = before.used(usage)
    if account == before:
        return
    await storage.save_account(tx, account)
    await review(tx, account)


async def note_risk(tx: Transaction, told: Risk) -> None:
    """Note that a risk opened, or that it is over; one that is over stays so."""
    account = await storage.lock_account(tx, told.account_id)
    await storage.keep_risk(tx, told)
    await review(tx, account)


async def end_hold(tx: Transaction, account_id: str) -> None:
    """Look again at an account on the day its landing no longer holds."""
    account = await storage.lock_account_or_fail(tx, account_id)
    if account is not None:
        await review(tx, account)


async def decide_opportunity(
    tx: Transaction, account_id: str, opportunity_id: UUID, decision: Decision
) -> Opportunity:
    """Note that an open opportunity is won or lost.

    The next of its kind is found when utilisation has been under the limit and comes back to it.
    Raises `OpportunityNotFound` or `OpportunityIsNotOpen`.
    """
    if await storage.account(tx, account_id):
        await storage.lock_account(tx, account_id)
    before = await storage.opportunity(tx, account_id, opportunity_id)
    if before is None:
        raise OpportunityNotFound
    after = before.decided(decision, at=tx.now)
    await storage.keep_opportunity(tx, after)
    tx.emit(_decided(after))
    return after


async def entitlement_of(tx: Transaction, account: Account) -> Entitlement | None:
    """Return what an account is entitled to today; None while no contract is known."""
    entitlements = await storage.entitlements(tx, account.account_id)
    return entitlement_on(account.day_at(tx.now), entitlements)


async def utilisation_of(tx: Transaction, account: Account) -> Utilisation | None:
    """Return an account's utilisation; None while seats or usage are unknown."""
    entitlement = await entitlement_of(tx, account)
    if entitlement is None or entitlement.seats < 1 or account.usage is None:
        return None
    return Utilisation(entitlement.seats, account.usage.active_users_28d, account.usage.day)


async def review(tx: Transaction, before: Account) -> None:
    """Decide anew what can be offered to an account, by evidence and holds."""
    utilisation = await utilisation_of(tx, before)
    if utilisation is None:
        return
    is_near = utilisation.is_near_limit(was_near=before.is_near_limit)
    account = before.near_limit(is_near=is_near, at=tx.now)
    if account != before:
        await storage.save_account(tx, account)
    came_near = is_near and not before.is_near_limit
    if came_near:
        tx.emit(_limit_approaching(account, utilisation))
    await _review_opportunity(tx, account, utilisation, is_new=came_near)


async def _review_opportunity(
    tx: Transaction, account: Account, utilisation: Utilisation, *, is_new: bool
) -> None:
    risks = await storage.open_risks(tx, account.account_id)
    holds = holds_on(
        account.day_at(tx.now), no_upsell_until=account.no_upsell_until, open_risks=risks
    )
    before = await storage.live_opportunity(tx, account.account_id, MORE_SEATS)
    if before is not None:
        after = before.reviewed(utilisation, holds, is_near_limit=account.is_near_limit, at=tx.now)
    elif is_new:
        after = Opportunity.found(
            account.account_id, new_id(), utilisation=utilisation, holds=holds, at=tx.now
        )
    else:
        return
    if after != before:
        await storage.keep_opportunity(tx, after)
        _say(tx, before, after)


def _say(tx: Transaction, before: Opportunity | None, after: Opportunity) -> None:
    if before is not None and before.status == after.status:
        return
    if after.status == "open":
        tx.emit(_opened(after))
    elif after.status == "withheld":
        tx.emit(_withheld(after))
    elif after.status == "lapsed":
        tx.emit(_lapsed(after))


async def _hold(tx: Transaction, before: Account, account: Account) -> None:
    """Store until when an account is landing, and look at it again when that day begins."""
    if account == before:
        return
    await storage.save_account(tx, account)
    if before.hold_ends_at:
        await timers.cancel(tx, _hold_key(before))
    if account.hold_ends_at and account.hold_ends_at > tx.now:
        timer = timers.Timer(
            kind=HOLD_TIMER,
            key=_hold_key(account),
            account_id=account.account_id,
            due_at=account.hold_ends_at,
            payload={},
        )
        await timers.schedule(tx, timer)
    await review(tx, account)


def _hold_key(account: Account) -> str:
    return f"upsell_hold:{account.account_id}:{account.hold_ends_at}"


def _limit_approaching(account: Account, utilisation: Utilisation) -> Fact:
    return LimitApproaching(
        account_id=account.account_id,
        seats=utilisation.seats,
        active_users_28d=utilisation.active_users_28d,
        utilisation=utilisation.ratio,
    )


def _opened(opportunity: Opportunity) -> Fact:
    return OpportunityOpened(
        account_id=opportunity.account_id,
        opportunity_id=str(opportunity.opportunity_id),
        kind=opportunity.kind,
        explanation=opportunity.explanation,
        utilisation=opportunity.utilisation.ratio,
    )


def _withheld(opportunity: Opportunity) -> Fact:
    return OpportunityWithheld(
        account_id=opportunity.account_id,
        opportunity_id=str(opportunity.opportunity_id),
        kind=opportunity.kind,
        because=opportunity.because,
        until=opportunity.until,
        explanation=opportunity.explanation,
    )


def _decided(opportunity: Opportunity) -> Fact:
    fact = OpportunityWon if opportunity.status == "won" else OpportunityLost
    return fact(
        account_id=opportunity.account_id,
        opportunity_id=str(opportunity.opportunity_id),
        kind=opportunity.kind,
        note=opportunity.close_reason,
    )


def _lapsed(opportunity: Opportunity) -> Fact:
    return OpportunityLapsed(
        account_id=opportunity.account_id,
        opportunity_id=str(opportunity.opportunity_id),
        kind=opportunity.kind,
        explanation=opportunity.explanation,
    )
