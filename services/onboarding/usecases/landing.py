"""Landing: the plan of an account, its milestones and their deadlines."""

from collections.abc import Iterable
from datetime import datetime

from services.onboarding.domain.account import Account, AccountNotFound
from services.onboarding.domain.plan import Milestone, Plan, PlanExists, PlanNotFound
from services.onboarding.domain.template import Template, Templates
from services.onboarding.storage import accounts, plans
from shared.contracts.onboarding import (
    FirstValueReached,
    MilestoneCompleted,
    MilestoneOverdue,
    OnboardingCompleted,
    OnboardingStarted,
)
from shared.db import timers
from shared.db.timers import Timer
from shared.db.transaction import Transaction
from shared.kernel.days import day_ends, days_between, zone_of
from shared.kernel.ids import new_id

DEADLINE = "milestone_due"
"""The kind of timer that fires when the day a milestone was due on is over."""


async def start(tx: Transaction, account: Account, template: Template) -> Plan:
    """Open the plan of an account; what its usage reached already is done at once."""
    plan = Plan.opened(account, template, plan_id=f"plan_{new_id().hex}", at=tx.now)
    await plans.add(tx, plan)
    tx.emit(
        OnboardingStarted(
            account_id=account.id,
            plan_id=plan.id,
            template=plan.template,
            no_upsell_until=plan.no_upsell_until,
        )
    )
    await _set_deadlines(tx, account, plan.milestones)
    after = plan
    for milestone, reached_at in (await plans.usage_reached(tx, account.id)).items():
        after = after.completed_by_usage(milestone, at=reached_at)
    await _keep_completion(tx, account, plan, after)
    return after


async def start_later(tx: Transaction, account_id: str, templates: Templates) -> Plan:
    """Open the plan of an account that was opened without one, as by its product backend.

    Raises `AccountNotFound` or `PlanExists`.
    """
    await accounts.hold(tx, account_id)
    account = await accounts.find(tx, account_id)
    if account is None:
        raise AccountNotFound
    if await plans.find(tx, account_id) is not None:
        raise PlanExists
    return await start(tx, account, templates.for_segment(account.segment))


async def complete_by_hand(tx: Transaction, account_id: str, key: str, *, done_by: str) -> Plan:
    """Call a milestone done, on the word of a person; saying so twice changes nothing.

    Raises `AccountNotFound`, `PlanNotFound`, `MilestoneNotFound` or `PrerequisitesMissing`.
    """
    await accounts.hold(tx, account_id)
    account, before = await known_plan(tx, account_id)
    after = before.completed_by_hand(key, done_by=done_by, at=tx.now)
    await _keep_completion(tx, account, before, after)
    return after


async def heed_usage(
    tx: Transaction, account_id: str, usage_milestone: str, reached_at: datetime
) -> None:
    """Note what usage reached, and complete what waits for it, whatever else is open."""
    await accounts.hold(tx, account_id)
    await plans.note_usage(tx, account_id, usage_milestone, reached_at)
    account = await accounts.find(tx, account_id)
    before = await plans.find(tx, account_id)
    if account is not None and before is not None:
        after = before.completed_by_usage(usage_milestone, at=reached_at)
        await _keep_completion(tx, account, before, after)


async def mark_overdue(tx: Transaction, account_id: str, key: str) -> None:
    """Note that a milestone is overdue, unless it is done.

    The account is not held: the timer's row is locked already, and whoever completes the
    milestone holds the account while waiting for that row.
    """
    marked = await plans.mark_overdue(tx, account_id, key)
    if marked is not None:
        plan_id, due_on = marked
        tx.emit(
            MilestoneOverdue(account_id=account_id, plan_id=plan_id, milestone=key, due_on=due_on)
        )


async def move_deadlines(tx: Transaction, account: Account) -> None:
    """Set the deadlines of what is open anew: the account's days end at another moment now."""
    plan = await plans.find(tx, account.id)
    if plan is not None:
        await _set_deadlines(tx, account, plan.milestones)


async def known_plan(tx: Transaction, account_id: str) -> tuple[Account, Plan]:
    """Return an account and its plan. Raises `AccountNotFound` or `PlanNotFound`."""
    account = await accounts.find(tx, account_id)
    if account is None:
        raise AccountNotFound
    plan = await plans.find(tx, account_id)
    if plan is None:
        raise PlanNotFound
    return account, plan


async def _set_deadlines(
    tx: Transaction, account: Account, milestones: Iterable[Milestone]
) -> None:
    for milestone in milestones:
        if milestone.is_done or milestone.overdue_at is not None:
            continue
        timer = Timer(
            kind=DEADLINE,
            key=_deadline_of(account.id, milestone.key),
            account_id=account.id,
            due_at=day_ends(milestone.due_on, zone_of(account.time_zone)),
            payload={"milestone": milestone.key},
        )
        await timers.schedule(tx, timer)


async def _keep_completion(tx: Transaction, account: Account, before: Plan, after: Plan) -> None:
    done = after.done_since(before)
    if not done:
        return
    # Before the milestone's row is touched: a deadline firing right now holds its timer's row
    # and wants the milestone's, and must not find us holding that.
    for milestone in done:
        await timers.cancel(tx, _deadline_of(account.id, milestone.key))
    await plans.save_completion(tx, after, done)
    for milestone in done:
        _say_done(tx, account, after, milestone)
    if after.completed_at is not None:
        tx.emit(
            OnboardingCompleted(
                account_id=account.id, plan_id=after.id, completed_at=after.completed_at
            )
        )


def _say_done(tx: Transaction, account: Account, plan: Plan, milestone: Milestone) -> None:
    if milestone.completed_at is None or milestone.completed_by is None:
        return
    tx.emit(
        MilestoneCompleted(
            account_id=account.id,
            plan_id=plan.id,
            milestone=milestone.key,
            by=milestone.completed_by,
            completed_at=milestone.completed_at,
        )
    )
    if milestone.is_first_value:
        days = days_between(account.opened_at, milestone.completed_at, zone_of(account.time_zone))
        tx.emit(
            FirstValueReached(account_id=account.id, reached_at=milestone.completed_at, days=days)
        )


def _deadline_of(account_id: str, key: str) -> str:
    return f"{DEADLINE} {account_id} {key}"
