"""Builders: the smallest valid thing, with what a test cares about said by name."""

from datetime import UTC, datetime
from typing import Any

from services.onboarding.domain.account import Account, NewAccount
from services.onboarding.domain.contact import Contact, ContactRole
from services.onboarding.domain.owner import OwnerRole
from services.onboarding.domain.plan import Plan
from services.onboarding.domain.template import Template, TemplateMilestone, Templates

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def new_account(account_id: str = "acme", **given: Any) -> NewAccount:
    return NewAccount(**{"account_id": account_id, "name": "Acme GmbH", **given})


def account(account_id: str = "acme", *, at: datetime = NOON, **given: Any) -> Account:
    return Account.opened(new_account(account_id, **given), at=at)


def contact(**given: Any) -> Contact:
    usual = {
        "account_id": "acme",
        "id": "con_1",
        "name": "Kim Sorel",
        "email": "kim@example.com",
        "role": ContactRole.CHAMPION,
    }
    return Contact(**{**usual, **given})


def milestone(key: str, *requires: str, **given: Any) -> TemplateMilestone:
    usual = {"title": key.capitalize(), "owner_role": OwnerRole.CSM, "due_days": 7}
    return TemplateMilestone(**{"key": key, "requires": requires, **usual, **given})


def template(*milestones: TemplateMilestone, landing_days: int = 90) -> Template:
    """Kickoff by hand, then first value by the usage ``report_exported``, unless given."""
    usual = (
        milestone("kickoff"),
        milestone(
            "value", "kickoff", due_days=30, usage_milestone="report_exported", is_first_value=True
        ),
    )
    return Template("default", 1, landing_days, milestones or usual)


def templates(**by_segment: Template) -> Templates:
    return Templates({"default": template(), **by_segment})


def plan(*milestones: TemplateMilestone, at: datetime = NOON, time_zone: str = "UTC") -> Plan:
    return Plan.opened(
        account(time_zone=time_zone, at=at), template(*milestones), plan_id="plan_1", at=at
    )


def template_document(**changed: Any) -> dict[str, Any]:
    """What the YAML file of a template holds."""
    usual = {
        "version": 1,
        "landing_days": 90,
        "milestones": [milestone_document("kickoff"), milestone_document("value", value=True)],
    }
    return {**usual, **changed}


def milestone_document(key: str, *, value: bool = False, **changed: Any) -> dict[str, Any]:
    usual = {"title": "A step", "owner_role": "csm", "due_days": 7, "completes": "by_hand"}
    return {"key": key, **usual, "first_value": value, **changed}
