"""Contracts, risks and facts as renewals meets them, with sensible defaults."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from services.renewals.domain.contract import Contract, NewContract, Term
from services.renewals.domain.probability import Assessment
from services.renewals.domain.renewal import Renewal
from services.renewals.domain.risk import Risk
from services.renewals.domain.save import Save
from shared.contracts.health import RiskMerged, RiskOpened, RiskRecovered, RiskWorsened
from shared.contracts.onboarding import AccountOpened
from shared.kernel.money import Money

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CONTRACT_ID = UUID(int=1)
RENEWAL_ID = UUID(int=2)
SAVE_ID = UUID(int=3)


def a_term(
    *, starts_on: date = date(2026, 1, 1), notice_date: date = date(2026, 10, 2), **other: Any
) -> Term:
    days = other.pop("notice_period_days", 90)
    ends_on = other.pop("ends_on", notice_date + timedelta(days=days))
    return Term(starts_on=starts_on, ends_on=ends_on, notice_period_days=days, **other)


def an_order(account_id: str = "acme", *, seats: int = 25, **term: Any) -> NewContract:
    return NewContract(
        account_id=account_id, term=a_term(**term), seats=seats, amount=Money(1_200_000, "EUR")
    )


def a_contract(**term: Any) -> Contract:
    return Contract.signed(an_order(**term), contract_id=CONTRACT_ID, at=NOW)


def an_assessment(segment: str | None = "mid") -> Assessment:
    return Assessment.of(segment, at=NOW)


def a_renewal(**term: Any) -> Renewal:
    return Renewal.of(a_contract(**term), renewal_id=RENEWAL_ID, assessment=an_assessment())


def a_risk(risk_id: str = "risk-1", severity: str = "high", **other: Any) -> Risk:
    risk = Risk(
        account_id="acme",
        risk_id=risk_id,
        reason="usage_drop",
        severity=severity,
        title="Usage dropped",
        explanation="Usage is at 52 % of what is normal",
        next_step="Call the champion",
        opened_at=NOW,
    )
    return replace(risk, **other)


def a_save(*risks: Risk) -> Save:
    save = Save(account_id="acme", save_id=SAVE_ID, renewal_id=RENEWAL_ID, opened_at=NOW)
    for risk in risks:
        save = save.with_risk(risk, at=NOW)
    return save


def account_opened(
    account_id: str = "acme", segment: str = "mid", time_zone: str = "Europe/Berlin"
) -> AccountOpened:
    return AccountOpened(
        account_id=account_id,
        name="Acme",
        segment=segment,
        time_zone=time_zone,
        opened_at=NOW,
    )


def risk_opened(risk_id: str = "risk-1", severity: str = "high", **other: Any) -> RiskOpened:
    return RiskOpened(**{**_risk_fields(risk_id, severity), **other})


def risk_worsened(risk_id: str = "risk-1", severity: str = "critical") -> RiskWorsened:
    return RiskWorsened(**_risk_fields(risk_id, severity))


def risk_recovered(risk_id: str = "risk-1", reason: str = "usage_drop") -> RiskRecovered:
    return RiskRecovered(
        account_id="acme",
        risk_id=risk_id,
        reason=reason,
        explanation="Usage is back to normal",
        opened_at=NOW,
        recovered_at=NOW + timedelta(days=3),
    )


def risk_merged(
    risk_id: str, into_risk_id: str, *, reason: str = "usage_dip", into_reason: str = "usage_drop"
) -> RiskMerged:
    return RiskMerged(
        account_id="acme",
        risk_id=risk_id,
        reason=reason,
        into_risk_id=into_risk_id,
        into_reason=into_reason,
    )


def _risk_fields(risk_id: str, severity: str) -> dict[str, Any]:
    return {
        "account_id": "acme",
        "risk_id": risk_id,
        "reason": "usage_drop",
        "severity": severity,
        "title": "Usage dropped",
        "explanation": "Usage is at 52 % of what is normal",
        "next_step": "Call the champion",
        "profile": "default@1",
        "caused_at": NOW,
    }
