"""Entitlements, usage, holds and facts as expansion meets them, with sensible defaults."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from services.expansion.domain.entitlement import Entitlement
from services.expansion.domain.hold import Hold, Risk
from services.expansion.domain.opportunity import Opportunity
from services.expansion.domain.utilisation import Utilisation
from shared.contracts.health import RiskOpened, RiskRecovered, UsageRolledUp
from shared.contracts.onboarding import AccountOpened, OnboardingCompleted, OnboardingStarted
from shared.contracts.renewals import ContractSigned

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TODAY = NOW.date()
LANDING = Hold("landing", date(2026, 4, 1))
DROP = Hold("risk:usage_drop")


def an_entitlement(contract_id: str = "one", **other: Any) -> Entitlement:
    return Entitlement(
        account_id="acme",
        contract_id=contract_id,
        seats=other.get("seats", 25),
        starts_on=other.get("starts_on", date(2026, 1, 1)),
        signed_at=other.get("signed_at", NOW),
    )


def a_utilisation(active: int = 23, seats: int = 25, day: date = TODAY) -> Utilisation:
    return Utilisation(seats, active, day)


def a_risk(risk_id: str = "risk-1", reason: str = "usage_drop") -> Risk:
    return Risk(account_id="acme", risk_id=risk_id, reason=reason, opened_at=NOW)


def an_opportunity(*holds: Hold, at: datetime = NOW) -> Opportunity:
    return Opportunity.found("acme", UUID(int=1), utilisation=a_utilisation(), holds=holds, at=at)


def account_opened(time_zone: str = "Europe/Berlin") -> AccountOpened:
    return AccountOpened(
        account_id="acme", name="Acme", segment="mid", time_zone=time_zone, opened_at=NOW
    )


def contract_signed(
    seats: int = 25, contract_id: str = "one", starts_on: date = date(2026, 1, 1)
) -> ContractSigned:
    return ContractSigned(
        account_id="acme",
        contract_id=contract_id,
        starts_on=starts_on,
        ends_on=starts_on + timedelta(days=364),
        notice_date=starts_on + timedelta(days=274),
        auto_renew=True,
        seats=seats,
        amount_minor=1_200_000,
        currency="EUR",
    )


def usage(active: int = 23, day: date = TODAY) -> UsageRolledUp:
    return UsageRolledUp(
        account_id="acme", day=day, events=100, active_users=active, active_users_28d=active
    )


def onboarding_started(no_upsell_until: date = date(2026, 4, 1)) -> OnboardingStarted:
    return OnboardingStarted(
        account_id="acme", plan_id="plan", template="mid@1", no_upsell_until=no_upsell_until
    )


def onboarding_completed() -> OnboardingCompleted:
    return OnboardingCompleted(account_id="acme", plan_id="plan", completed_at=NOW)


def risk_opened(risk_id: str = "risk-1", reason: str = "usage_drop") -> RiskOpened:
    return RiskOpened(
        account_id="acme",
        risk_id=risk_id,
        reason=reason,
        severity="high",
        title="Usage dropped",
        explanation="Usage is at 52 % of what is normal",
        next_step="Call the champion",
        profile="default@1",
        caused_at=NOW,
    )


def risk_recovered(risk_id: str = "risk-1", reason: str = "usage_drop") -> RiskRecovered:
    return RiskRecovered(
        account_id="acme",
        risk_id=risk_id,
        reason=reason,
        explanation="Usage is back to normal",
        opened_at=NOW,
        recovered_at=NOW + timedelta(days=3),
    )
