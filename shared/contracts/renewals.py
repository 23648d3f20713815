"""What renewals says. Amounts are minor units of the currency."""

from datetime import date, datetime
from typing import ClassVar

from pydantic import Field

from shared.contracts.event import Fact


class ContractSigned(Fact):
    """A contract is signed; its first term, the seats sold, and when notice is due."""

    event_type: ClassVar[str] = "io.tenure.renewals.contract_signed.v1"
    contract_id: str
    starts_on: date
    ends_on: date
    notice_date: date
    auto_renew: bool
    seats: int
    amount_minor: int
    currency: str


class RenewalWindowOpened(Fact):
    """The notice date is 120, 90, 60 or 30 days away."""

    event_type: ClassVar[str] = "io.tenure.renewals.renewal_window_opened.v1"
    renewal_id: str
    contract_id: str
    window_days: int
    notice_date: date
    probability: float


class RenewalAtRisk(Fact):
    """A reason lowered the probability of a renewal; a save is open for it."""

    event_type: ClassVar[str] = "io.tenure.renewals.renewal_at_risk.v1"
    renewal_id: str
    save_id: str
    reason: str
    explanation: str
    probability: float
    previous_probability: float
    amount_minor: int
    currency: str
    notice_date: date
    auto_renew: bool | None = Field(
        default=None, description="Whether the contract renews itself if nobody gives notice."
    )


class RenewalRestored(Fact):
    """A reason is gone; the probability without it, and whether the save is closed.

    What had counted with it, and is not gone, counts by itself again: then the save goes on.
    """

    event_type: ClassVar[str] = "io.tenure.renewals.renewal_restored.v1"
    renewal_id: str
    reason: str
    probability: float
    previous_probability: float
    save_closed: bool
    restored_at: datetime


class RenewalReassessed(Fact):
    """A reason counts with another one from now on, and not by itself; the probability then.

    No reason is gone, and the save goes on: one story had been counted twice.
    """

    event_type: ClassVar[str] = "io.tenure.renewals.renewal_reassessed.v1"
    renewal_id: str
    reason: str
    into_reason: str = Field(description="The reason it counts with.")
    probability: float
    previous_probability: float


class ContractAmended(Fact):
    """The term of a contract changed; its new end and notice date."""

    event_type: ClassVar[str] = "io.tenure.renewals.contract_amended.v1"
    contract_id: str
    ends_on: date
    notice_date: date
    auto_renew: bool


class RenewalWon(Fact):
    """The customer renews; why, if somebody said."""

    event_type: ClassVar[str] = "io.tenure.renewals.renewal_won.v1"
    renewal_id: str
    contract_id: str
    amount_minor: int
    currency: str
    note: str | None = None


class RenewalLost(Fact):
    """The customer does not renew; why, if somebody said."""

    event_type: ClassVar[str] = "io.tenure.renewals.renewal_lost.v1"
    renewal_id: str
    contract_id: str
    amount_minor: int
    currency: str
    note: str | None = None


FACTS: tuple[type[Fact], ...] = (
    ContractSigned,
    ContractAmended,
    RenewalWindowOpened,
    RenewalAtRisk,
    RenewalReassessed,
    RenewalRestored,
    RenewalWon,
    RenewalLost,
)
