"""What responses of renewals look like.

Plain data, as they are made here and need no check: a page of 200 renewals is two thousand
objects, and models would take several times as long to make.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from services.renewals.api.shapes import Amount
from services.renewals.domain.account import Account
from services.renewals.domain.contract import Contract, Status
from services.renewals.domain.probability import Origin, Reason, probability_of
from services.renewals.domain.renewal import Decision, Forecast, Outcome, Stage
from services.renewals.domain.save import Outcome as SaveOutcome
from services.renewals.domain.save import Save, SaveReason
from services.renewals.storage import ShownRenewal


@dataclass(slots=True)
class ContractShown:
    """A contract."""

    account_id: str
    contract_id: UUID
    starts_on: date
    ends_on: date
    notice_period_days: int
    notice_date: Annotated[
        date, Field(description="The last day on which the customer may give notice.")
    ]
    auto_renew: bool
    seats: int
    amount: Amount
    status: Annotated[Status, Field(description="By today's date where the account is.")]
    signed_at: datetime
    version: int

    @classmethod
    def of(cls, contract: Contract, account: Account, now: datetime) -> "ContractShown":
        """Return a contract as it is shown now."""
        term = contract.term
        return cls(
            account_id=contract.account_id,
            contract_id=contract.contract_id,
            starts_on=term.starts_on,
            ends_on=term.ends_on,
            notice_period_days=term.notice_period_days,
            notice_date=term.notice_date,
            auto_renew=term.auto_renew,
            seats=contract.seats,
            amount=Amount.of(contract.amount),
            status=term.status_on(account.day_at(now)),
            signed_at=contract.signed_at,
            version=contract.version,
        )


@dataclass(slots=True)
class ReasonShown:
    """A part of a probability. The points of all parts add up to it exactly."""

    origin: Origin
    label: str
    effect_points: Annotated[float, Field(description="Percentage points, one decimal.")]
    since: datetime
    risk_id: str | None
    severity: str | None

    @classmethod
    def of(cls, reason: Reason) -> "ReasonShown":
        """Return a reason as it is shown."""
        return cls(
            origin=reason.origin,
            label=reason.label,
            effect_points=float(reason.effect_points),
            since=reason.since,
            risk_id=reason.risk_id,
            severity=reason.severity,
        )


@dataclass(slots=True, kw_only=True)
class ForecastShown:
    """A person's forecast, beside the computed probability."""

    origin: Literal["person"] = "person"
    probability: float
    reason: str
    by: str
    at: datetime

    @classmethod
    def of(cls, forecast: Forecast) -> "ForecastShown":
        """Return a forecast as it is shown."""
        return cls(
            probability=forecast.probability,
            reason=forecast.reason,
            by=forecast.by,
            at=forecast.at,
        )


@dataclass(slots=True)
class DecisionShown:
    """How a renewal ended."""

    outcome: Outcome
    reason: str | None
    by: str
    at: datetime

    @classmethod
    def of(cls, decision: Decision) -> "DecisionShown":
        """Return a decision as it is shown."""
        return cls(outcome=decision.outcome, reason=decision.reason, by=decision.by, at=decision.at)


@dataclass(slots=True)
class SaveReasonShown:
    """Why a renewal needs saving, what to do next, and whether the reason is gone."""

    risk_id: str
    reason: str
    severity: str
    title: str
    explanation: str
    next_step: str
    since: datetime
    gone_at: datetime | None
    told_with: Annotated[
        str | None,
        Field(
            description="The risk that tells the reason since it is gone, "
            "if it is merged, not over."
        ),
    ]

    @classmethod
    def of(cls, reason: SaveReason) -> "SaveReasonShown":
        """Return a reason as it is shown."""
        return cls(
            risk_id=reason.risk_id,
            reason=reason.reason,
            severity=reason.severity,
            title=reason.title,
            explanation=reason.explanation,
            next_step=reason.next_step,
            since=reason.since,
            gone_at=reason.gone_at,
            told_with=reason.told_with,
        )


@dataclass(slots=True)
class SaveShown:
    """A save."""

    account_id: str
    save_id: UUID
    renewal_id: UUID
    is_open: bool
    opened_at: datetime
    reasons: list[SaveReasonShown]
    closed_at: datetime | None
    outcome: SaveOutcome | None

    @classmethod
    def of(cls, save: Save) -> "SaveShown":
        """Return a save as it is shown."""
        return cls(
            account_id=save.account_id,
            save_id=save.save_id,
            renewal_id=save.renewal_id,
            is_open=save.is_open,
            opened_at=save.opened_at,
            reasons=[SaveReasonShown.of(each) for each in save.reasons],
            closed_at=save.closed_at,
            outcome=save.outcome,
        )


@dataclass(slots=True)
class RenewalShown:
    """A renewal, with its probability and everything that made it."""

    account_id: str
    renewal_id: UUID
    contract_id: UUID
    stage: Stage
    notice_date: date
    days_left: Annotated[
        int, Field(description="Days to the notice date where the account is; may be < 0.")
    ]
    ends_on: date
    amount: Amount
    probability: Annotated[
        float, Field(description="Computed, 0 to 1: the sum of the reasons' points.")
    ]
    reasons: Annotated[
        list[ReasonShown], Field(description="In the order applied; the first is the base.")
    ]
    rules: Annotated[str, Field(description="Version of the rules behind the probability.")]
    forecast: Annotated[
        ForecastShown | None, Field(description="What a person believes, if one said so.")
    ]
    at_risk: Annotated[bool, Field(description="Whether a save is open.")]
    open_save: SaveShown | None
    decision: DecisionShown | None
    version: int

    @classmethod
    def of(cls, shown: ShownRenewal, now: datetime) -> "RenewalShown":
        """Return a renewal as it is shown now."""
        renewal, save = shown.renewal, shown.open_save
        forecast, decision = renewal.forecast, renewal.decision
        reasons = renewal.assessment.reasons
        return cls(
            account_id=renewal.account_id,
            renewal_id=renewal.renewal_id,
            contract_id=renewal.contract_id,
            stage=renewal.stage,
            notice_date=renewal.notice_date,
            days_left=(renewal.notice_date - shown.account.day_at(now)).days,
            ends_on=renewal.ends_on,
            amount=Amount.of(renewal.amount),
            probability=probability_of(reasons),
            reasons=[ReasonShown.of(each) for each in reasons],
            rules=renewal.assessment.rules,
            forecast=ForecastShown.of(forecast) if forecast else None,
            at_risk=save is not None,
            open_save=SaveShown.of(save) if save else None,
            decision=DecisionShown.of(decision) if decision else None,
            version=renewal.version,
        )
