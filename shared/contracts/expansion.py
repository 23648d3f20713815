"""What expansion says."""

from datetime import date
from typing import ClassVar

from shared.contracts.event import Fact


class LimitApproaching(Fact):
    """Active users of 28 days are close to the seats sold; utilisation is users / seats."""

    event_type: ClassVar[str] = "io.tenure.expansion.limit_approaching.v1"
    seats: int
    active_users_28d: int
    utilisation: float


class OpportunityOpened(Fact):
    """A customer-success-qualified lead, with its evidence."""

    event_type: ClassVar[str] = "io.tenure.expansion.opportunity_opened.v1"
    opportunity_id: str
    kind: str
    explanation: str
    utilisation: float


class OpportunityWithheld(Fact):
    """There was evidence to sell more, and a reason not to ask now.

    ``because`` names what holds: ``landing`` or ``risk:<reason>``. ``until`` is a day, if known.
    """

    event_type: ClassVar[str] = "io.tenure.expansion.opportunity_withheld.v1"
    opportunity_id: str
    kind: str
    because: tuple[str, ...]
    until: date | None = None
    explanation: str


class OpportunityWon(Fact):
    """The customer bought; why, if somebody said."""

    event_type: ClassVar[str] = "io.tenure.expansion.opportunity_won.v1"
    opportunity_id: str
    kind: str
    note: str | None = None


class OpportunityLost(Fact):
    """The customer did not buy; why, if somebody said."""

    event_type: ClassVar[str] = "io.tenure.expansion.opportunity_lost.v1"
    opportunity_id: str
    kind: str
    note: str | None = None


class OpportunityLapsed(Fact):
    """The need was gone before it could be offered."""

    event_type: ClassVar[str] = "io.tenure.expansion.opportunity_lapsed.v1"
    opportunity_id: str
    kind: str
    explanation: str


FACTS: tuple[type[Fact], ...] = (
    LimitApproaching,
    OpportunityOpened,
    OpportunityWithheld,
    OpportunityWon,
    OpportunityLost,
    OpportunityLapsed,
)
