"""What requests and responses of renewals look like."""

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.renewals.domain.account import Account
from services.renewals.domain.contract import DEFAULT_NOTICE_DAYS, Contract, Status
from services.renewals.domain.probability import Origin, Reason
from services.renewals.domain.renewal import OpenStage, Outcome, Stage
from services.renewals.domain.save import Outcome as SaveOutcome
from services.renewals.domain.save import Save
from services.renewals.storage import ShownRenewal
from shared.kernel.ids import ACCOUNT_ID
from shared.kernel.money import Money
from shared.web import fields

AccountId = Annotated[
    str, Path(pattern=f"^{ACCOUNT_ID.pattern}$", examples=["acme"], description="The account.")
]
Day = Annotated[
    fields.Day,
    Field(ge=date(1990, 1, 1), le=date(2199, 12, 31), examples=["2026-12-31"]),
]
Text = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"\S")]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Amount(_Request):
    """Money in minor units (cents) of an ISO 4217 currency."""

    amount_minor: int = Field(ge=0, le=10**15, strict=True, examples=[125000])
    currency: str = Field(pattern="^[A-Z]{3}$", examples=["EUR"])

    @classmethod
    def of(cls, money: Money) -> "Amount":
        """Return an amount as it is shown."""
        return cls(amount_minor=money.amount_minor, currency=money.currency)


class ContractOrder(_Request):
    """A contract to sign."""

    starts_on: Day = Field(description="First day of the term.", examples=["2026-01-01"])
    ends_on: Day = Field(description="Last day of the term.")
    notice_period_days: int = Field(
        default=DEFAULT_NOTICE_DAYS,
        ge=0,
        le=3660,
        strict=True,
        description="Notice may be given until so many days before the term ends.",
    )
    auto_renew: bool = Field(default=False, strict=True)
    seats: int = Field(ge=1, le=10_000_000, strict=True, examples=[25])
    amount: Amount = Field(description="For the whole term.")


class ContractAmendment(_Request):
    """What changes in a contract's term; what is left out stays."""

    ends_on: Day | None = None
    notice_period_days: int | None = Field(default=None, ge=0, le=3660, strict=True)
    auto_renew: bool | None = Field(default=None, strict=True)

    @model_validator(mode="after")
    def _must_name_something(self) -> Self:
        if all(value is None for value in self.model_dump().values()):
            raise ValueError("Name at least one field to change")
        return self


class ContractShown(BaseModel):
    """A contract."""

    account_id: str
    contract_id: UUID
    starts_on: date
    ends_on: date
    notice_period_days: int
    notice_date: date = Field(description="The last day on which the customer may give notice.")
    auto_renew: bool
    seats: int
    amount: Amount
    status: Status = Field(description="By today's date where the account is.")
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


class ForecastOrder(_Request):
    """What a person believes about a renewal, and why."""

    probability: float = Field(ge=0, le=1, strict=True, examples=[0.6])
    reason: Text = Field(examples=["Their new CFO told me that the budget is safe."])


class StageChange(_Request):
    """The stage a renewal is moved to; it is won or lost by closing it."""

    stage: OpenStage


class DecisionOrder(_Request):
    """How a renewal ended, and why in a few words."""

    outcome: Outcome
    reason: Text | None = Field(default=None, examples=["Budget was cut; they liked the product."])


class ReasonShown(BaseModel):
    """A part of a probability. The points of all parts add up to it exactly."""

    origin: Origin
    label: str
    effect_points: float = Field(description="Percentage points, one decimal.")
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


class ForecastShown(BaseModel):
    """A person's forecast, beside the computed probability."""

    origin: Literal["person"] = "person"
    probability: float
    reason: str
    by: str
    at: datetime


class DecisionShown(BaseModel):
    """How a renewal ended."""

    model_config = ConfigDict(from_attributes=True)

    outcome: Outcome
    reason: str | None
    by: str
    at: datetime


class SaveReasonShown(BaseModel):
    """Why a renewal needs saving, what to do next, and whether the reason is gone."""

    model_config = ConfigDict(from_attributes=True)

    risk_id: str
    reason: str
    severity: str
    title: str
    explanation: str
    next_step: str
    since: datetime
    gone_at: datetime | None
    told_with: str | None = Field(
        description="The risk that tells the reason since it is gone, if it is merged, not over."
    )


class SaveShown(BaseModel):
    """A save."""

    model_config = ConfigDict(from_attributes=True)

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
        return cls.model_validate(save)


class RenewalShown(BaseModel):
    """A renewal, with its probability and everything that made it."""

    account_id: str
    renewal_id: UUID
    contract_id: UUID
    stage: Stage
    notice_date: date
    days_left: int = Field(description="Days to the notice date where the account is; may be < 0.")
    ends_on: date
    amount: Amount
    probability: float = Field(description="Computed, 0 to 1: the sum of the reasons' points.")
    reasons: list[ReasonShown] = Field(description="In the order applied; the first is the base.")
    rules: str = Field(description="Version of the rules behind the probability.")
    forecast: ForecastShown | None = Field(description="What a person believes, if one said so.")
    at_risk: bool = Field(description="Whether a save is open.")
    open_save: SaveShown | None
    decision: DecisionShown | None
    version: int

    @classmethod
    def of(cls, shown: ShownRenewal, now: datetime) -> "RenewalShown":
        """Return a renewal as it is shown now."""
        renewal, save = shown.renewal, shown.open_save
        forecast, decision = renewal.forecast, renewal.decision
        return cls(
            account_id=renewal.account_id,
            renewal_id=renewal.renewal_id,
            contract_id=renewal.contract_id,
            stage=renewal.stage,
            notice_date=renewal.notice_date,
            days_left=(renewal.notice_date - shown.account.day_at(now)).days,
            ends_on=renewal.ends_on,
            amount=Amount.of(renewal.amount),
            probability=renewal.assessment.probability,
            reasons=[ReasonShown.of(each) for each in renewal.assessment.reasons],
            rules=renewal.assessment.rules,
            forecast=ForecastShown.model_validate(forecast, from_attributes=True)
            if forecast
            else None,
            at_risk=save is not None,
            open_save=SaveShown.of(save) if save else None,
            decision=DecisionShown.model_validate(decision) if decision else None,
            version=renewal.version,
        )
