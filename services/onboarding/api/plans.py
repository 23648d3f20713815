"""Onboarding plans over HTTP."""

from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from typing import Annotated, Self

from fastapi import Path
from pydantic import BaseModel, Field

from services.onboarding import gateways
from services.onboarding.api.common import PREFIX, READ, WRITE, AccountId, Order, Text
from services.onboarding.domain.account import Account, AccountNotFound
from services.onboarding.domain.owner import Owner, OwnerRole
from services.onboarding.domain.plan import (
    CompletedBy,
    Milestone,
    MilestoneNotFound,
    MilestoneState,
    Plan,
    PlanExists,
    PlanNotFound,
    PrerequisitesMissing,
)
from services.onboarding.domain.wording import InvalidText
from services.onboarding.storage import owners
from services.onboarding.usecases import landing
from shared.auth.principal import Principal
from shared.kernel.days import days_between, zone_of
from shared.web.deps import Tx
from shared.web.openapi import responses
from shared.web.routing import api_router

router = api_router(f"{PREFIX}/{{account_id}}", tags=["onboarding"])


class CompleteMilestone(Order):
    """Who says so."""

    done_by: Text | None = Field(
        default=None, description="The name of the key used, if left out.", examples=["Ana Brandt"]
    )


class MilestoneOwner(BaseModel):
    """Who holds the milestone's role on the account now."""

    name: str = Field(examples=["Ana Brandt"])
    email: str = Field(examples=["ana@example.com"])


class MilestoneOut(BaseModel):
    """A step of the plan."""

    key: str = Field(examples=["kickoff_held"])
    title: str
    owner_role: OwnerRole
    owner: MilestoneOwner | None = Field(description="null while nobody holds the role.")
    due_on: date = Field(description="In the account's time zone; overdue when this day is over.")
    state: MilestoneState
    requires: list[str]
    missing: list[str] = Field(description="The prerequisites that are not done.")
    usage_milestone: str | None = Field(description="The usage that completes it, if any does.")
    is_first_value: bool
    completed_at: datetime | None
    completed_by: CompletedBy | None
    done_by: str | None = Field(description="Who called it done; null when usage completed it.")
    overdue_at: datetime | None
    days_in_stage: int | None = Field(
        description="Calendar days from when it could be begun until done, or until now."
    )


class PlanOut(BaseModel):
    """The onboarding plan of an account. Days are calendar days in the account's time zone."""

    account_id: str = Field(examples=["acme"])
    plan_id: str
    template: str = Field(description="Name and version.", examples=["default@1"])
    opened_at: datetime
    no_upsell_until: date
    completed_at: datetime | None
    days_open: int = Field(description="Until it was completed, or until now.")
    first_value_at: datetime | None
    days_to_first_value: int | None = Field(
        description="From the day the account was opened; null before first value."
    )
    milestones: list[MilestoneOut]

    @classmethod
    def of(
        cls, account: Account, plan: Plan, owned: Mapping[OwnerRole, Owner], *, now: datetime
    ) -> Self:
        """Return a plan as people see it at a moment."""
        zone, first_value_at = zone_of(account.time_zone), plan.first_value.completed_at
        return cls(
            account_id=plan.account_id,
            plan_id=plan.id,
            template=plan.template,
            opened_at=plan.opened_at,
            no_upsell_until=plan.no_upsell_until,
            completed_at=plan.completed_at,
            days_open=days_between(plan.opened_at, plan.completed_at or now, zone),
            first_value_at=first_value_at,
            days_to_first_value=(
                days_between(account.opened_at, first_value_at, zone) if first_value_at else None
            ),
            milestones=[
                _milestone(plan, milestone, owned.get(milestone.owner_role), now=now, zone=zone)
                for milestone in plan.milestones
            ],
        )


@router.get("/onboarding", dependencies=[READ], responses=responses(AccountNotFound, PlanNotFound))
async def get_onboarding(tx: Tx, account_id: AccountId) -> PlanOut:
    """Show the account's plan: what is due when, who owns it, how long it has taken."""
    account, plan = await landing.known_plan(tx, account_id)
    owned = await owners.all_current(tx, account_id)
    return PlanOut.of(account, plan, owned, now=tx.now)


@router.post(
    "/onboarding",
    status_code=201,
    dependencies=[WRITE],
    responses=responses(AccountNotFound, PlanExists),
)
async def start_onboarding(tx: Tx, account_id: AccountId) -> PlanOut:
    """Open the plan of an account that was opened without one, as by its product backend."""
    await landing.start_later(tx, account_id, gateways.templates())
    return await get_onboarding(tx, account_id)


@router.post(
    "/milestones/{key}/complete",
    responses=responses(
        AccountNotFound, PlanNotFound, MilestoneNotFound, PrerequisitesMissing, InvalidText
    ),
)
async def complete_milestone(
    principal: Annotated[Principal, WRITE],
    tx: Tx,
    account_id: AccountId,
    key: Annotated[str, Path(description="The milestone's key.", examples=["kickoff_held"])],
    order: CompleteMilestone | None = None,
) -> PlanOut:
    """Call a milestone done, once its prerequisites are; saying it twice changes nothing."""
    done_by = order.done_by if order else None
    await landing.complete_by_hand(tx, account_id, key, done_by=done_by or principal.name)
    return await get_onboarding(tx, account_id)


def _milestone(
    plan: Plan, milestone: Milestone, owner: Owner | None, *, now: datetime, zone: tzinfo
) -> MilestoneOut:
    return MilestoneOut(
        key=milestone.key,
        title=milestone.title,
        owner_role=milestone.owner_role,
        owner=MilestoneOwner(name=owner.name, email=owner.email) if owner else None,
        due_on=milestone.due_on,
        state=plan.state_of(milestone),
        requires=list(milestone.requires),
        missing=plan.missing_for(milestone),
        usage_milestone=milestone.usage_milestone,
        is_first_value=milestone.is_first_value,
        completed_at=milestone.completed_at,
        completed_by=milestone.completed_by,
        done_by=milestone.done_by,
        overdue_at=milestone.overdue_at,
        days_in_stage=plan.days_in_stage(milestone, now=now, zone=zone),
    )
