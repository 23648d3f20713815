"""What requests of renewals look like."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Self

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.renewals.domain.contract import DEFAULT_NOTICE_DAYS
from services.renewals.domain.renewal import OpenStage, Outcome
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


@dataclass(slots=True)
class Amount:
    """Money in minor units (cents) of an ISO 4217 currency."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    amount_minor: Annotated[int, Field(ge=0, le=10**15, strict=True, examples=[125000])]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$", examples=["EUR"])]

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
