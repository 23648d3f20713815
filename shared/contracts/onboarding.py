"""What onboarding says."""

from datetime import date, datetime
from typing import ClassVar

from shared.contracts.event import Fact


class AccountOpened(Fact):
    """An account exists, from signature on, whether or not anything is provisioned."""

    event_type: ClassVar[str] = "io.tenure.onboarding.account_opened.v1"
    name: str
    segment: str
    time_zone: str
    opened_at: datetime


class AccountChanged(Fact):
    """The account's name, segment or time zone changed; the new values."""

    event_type: ClassVar[str] = "io.tenure.onboarding.account_changed.v1"
    name: str
    segment: str
    time_zone: str


class OwnerAssigned(Fact):
    """A person of ours now holds a role (csm, ae, manager, sponsor) on the account."""

    event_type: ClassVar[str] = "io.tenure.onboarding.owner_assigned.v1"
    role: str
    email: str
    name: str


class OwnerRemoved(Fact):
    """A role on the account is vacant."""

    event_type: ClassVar[str] = "io.tenure.onboarding.owner_removed.v1"
    role: str
    email: str


class ContactAdded(Fact):
    """A person at the account is known, with a role: buyer, champion, admin or user."""

    event_type: ClassVar[str] = "io.tenure.onboarding.contact_added.v1"
    contact_id: str
    role: str


class ContactLeft(Fact):
    """A person left the account. ``last_in_role``: nobody else there has their role."""

    event_type: ClassVar[str] = "io.tenure.onboarding.contact_left.v1"
    contact_id: str
    role: str
    last_in_role: bool


class OnboardingStarted(Fact):
    """The onboarding plan is open; nothing is to be sold to the account while it is."""

    event_type: ClassVar[str] = "io.tenure.onboarding.onboarding_started.v1"
    plan_id: str
    template: str
    no_upsell_until: date


class MilestoneCompleted(Fact):
    """A milestone of the plan is done, by a person (``by`` = manual) or by usage."""

    event_type: ClassVar[str] = "io.tenure.onboarding.milestone_completed.v1"
    plan_id: str
    milestone: str
    by: str
    completed_at: datetime


class MilestoneOverdue(Fact):
    """A milestone is not done, and the day it was due on is over in the account's zone."""

    event_type: ClassVar[str] = "io.tenure.onboarding.milestone_overdue.v1"
    plan_id: str
    milestone: str
    due_on: date


class FirstValueReached(Fact):
    """The account had its first value; calendar days since it was opened."""

    event_type: ClassVar[str] = "io.tenure.onboarding.first_value_reached.v1"
    reached_at: datetime
    days: int


class OnboardingCompleted(Fact):
    """All milestones are done; the account is landed."""

    event_type: ClassVar[str] = "io.tenure.onboarding.onboarding_completed.v1"
    plan_id: str
    completed_at: datetime


FACTS: tuple[type[Fact], ...] = (
    AccountOpened,
    AccountChanged,
    OwnerAssigned,
    OwnerRemoved,
    ContactAdded,
    ContactLeft,
    OnboardingStarted,
    MilestoneCompleted,
    FirstValueReached,
    OnboardingCompleted,
    MilestoneOverdue,
)
