"""The onboarding plan of an account: milestones on the way to first value and beyond."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Self

from services.onboarding.domain.account import Account
from services.onboarding.domain.owner import OwnerRole
from services.onboarding.domain.template import Template, TemplateMilestone
from services.onboarding.domain.wording import checked_text
from shared.kernel.days import days_between, local_day, zone_of
from shared.kernel.errors import Conflict, NotFound


class PlanNotFound(NotFound):
    """The account has no onboarding plan."""


class PlanExists(Conflict):
    """The account has an onboarding plan already."""


class MilestoneNotFound(NotFound):
    """The account's plan has no such milestone."""


class PrerequisitesMissing(Conflict):
    """Other milestones must be done first."""


class CompletedBy(StrEnum):
    """What completed a milestone: a person's word, or what the users did."""

    MANUAL = "manual"
    USAGE = "usage"


class MilestoneState(StrEnum):
    """Where a milestone stands; an overdue one is overdue even while it is blocked."""

    BLOCKED = "blocked"
    OPEN = "open"
    OVERDUE = "overdue"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Milestone:
    """A step of the plan, due at the end of ``due_on`` in the account's zone.

    ``done_by`` is the person who said so, None when usage completed it.
    """

    key: str
    title: str
    owner_role: OwnerRole
    due_on: date
    requires: tuple[str, ...] = ()
    usage_milestone: str | None = None
    is_first_value: bool = False
    completed_at: datetime | None = None
    completed_by: CompletedBy | None = None
    done_by: str | None = None
    overdue_at: datetime | None = None

    @classmethod
    def planned(cls, template: TemplateMilestone, *, from_day: date) -> Self:
        """Return the milestone of a template with its date."""
        return cls(
            key=template.key,
            title=template.title,
            owner_role=template.owner_role,
            due_on=from_day + timedelta(days=template.due_days),
            requires=template.requires,
            usage_milestone=template.usage_milestone,
            is_first_value=template.is_first_value,
        )

    @property
    def is_done(self) -> bool:
        """Whether it is complete."""
        return self.completed_at is not None


@dataclass(frozen=True, slots=True)
class Plan:
    """An account's plan, copied from a version of a template: later versions leave it alone."""

    account_id: str
    id: str
    template: str
    opened_at: datetime
    no_upsell_until: date
    milestones: tuple[Milestone, ...]
    completed_at: datetime | None = None

    @classmethod
    def opened(cls, account: Account, template: Template, *, plan_id: str, at: datetime) -> Self:
        """Open the plan of an account; its dates count from today in the account's zone."""
        today = local_day(at, zone_of(account.time_zone))
        return cls(
            account_id=account.id,
            id=plan_id,
            template=template.id,
            opened_at=at,
            no_upsell_until=today + timedelta(days=template.landing_days),
            milestones=tuple(
                Milestone.planned(milestone, from_day=today) for milestone in template.milestones
            ),
        )

    def milestone(self, key: str) -> Milestone:
        """Return a milestone. Raises `MilestoneNotFound`."""
        for milestone in self.milestones:
            if milestone.key == key:
                return milestone
        raise MilestoneNotFound

    def completed_by_hand(self, key: str, *, done_by: str, at: datetime) -> Self:
        """Return the plan after a person called a milestone done; a done one stays as it is.

        One that waits for usage may be called done too: usage is not measured everywhere. Raises
        `MilestoneNotFound`, `InvalidText`, or `PrerequisitesMissing` naming them.
        """
        milestone = self.milestone(key)
        if milestone.is_done:
            return self
        missing = self.missing_for(milestone)
        if missing:
            names = ", ".join(missing)
            raise PrerequisitesMissing(f"{key} needs {names} to be done first.", missing=missing)
        done = replace(
            milestone,
            completed_at=at,
            completed_by=CompletedBy.MANUAL,
            done_by=checked_text("done_by", done_by),
        )
        return self._with([done])

    def completed_by_usage(self, usage_milestone: str, *, at: datetime) -> Self:
        """Return the plan after usage reached what some milestone waits for.

        Prerequisites are not asked for: usage is a fact, and a customer who already has the value
        does not have it less because a kickoff call was not ticked off.
        """
        done = [
            replace(milestone, completed_at=at, completed_by=CompletedBy.USAGE)
            for milestone in self.milestones
            if milestone.usage_milestone == usage_milestone and not milestone.is_done
        ]
        return self._with(done)

    def done_since(self, before: "Plan") -> list[Milestone]:
        """Return the milestones that are done here and were not before."""
        return [
            milestone
            for milestone, earlier in zip(self.milestones, before.milestones, strict=True)
            if milestone.is_done and not earlier.is_done
        ]

    def missing_for(self, milestone: Milestone) -> list[str]:
        """Return the prerequisites of a milestone that are not done."""
        return [key for key in milestone.requires if not self.milestone(key).is_done]

    def state_of(self, milestone: Milestone) -> MilestoneState:
        """Return where a milestone stands."""
        if milestone.is_done:
            return MilestoneState.DONE
        if milestone.overdue_at is not None:
            return MilestoneState.OVERDUE
        blocked = bool(self.missing_for(milestone))
        return MilestoneState.BLOCKED if blocked else MilestoneState.OPEN

    def startable_since(self, milestone: Milestone) -> datetime | None:
        """Return when a milestone could be begun, None while prerequisites hold it up.

        One that usage completed ahead of its prerequisites counts from the last of those done.
        """
        if self.missing_for(milestone) and not milestone.is_done:
            return None
        required = (self.milestone(key).completed_at for key in milestone.requires)
        return max([self.opened_at, *(at for at in required if at is not None)])

    def days_in_stage(self, milestone: Milestone, *, now: datetime, zone: tzinfo) -> int | None:
        """Return calendar days from when a milestone could be begun until done, or until now."""
        since = self.startable_since(milestone)
        if since is None:
            return None
        return days_between(since, milestone.completed_at or now, zone)

    @property
    def first_value(self) -> Milestone:
        """The milestone at which the customer has the first value."""
        return next(milestone for milestone in self.milestones if milestone.is_first_value)

    def _with(self, changed: Sequence[Milestone]) -> Self:
        by_key = {milestone.key: milestone for milestone in changed}
        after = tuple(by_key.get(milestone.key, milestone) for milestone in self.milestones)
        times = [milestone.completed_at for milestone in after if milestone.completed_at]
        is_complete = len(times) == len(after)
        # Usage may tell of a time before the plan was opened.
        completed_at = max([*times, self.opened_at]) if is_complete else None
        return replace(self, milestones=after, completed_at=completed_at)
