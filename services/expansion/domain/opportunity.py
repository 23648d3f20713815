"""Opportunities: customer-success-qualified leads, offered only when it is right to ask."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from services.expansion.domain.hold import Hold, known_end
from services.expansion.domain.utilisation import Utilisation
from services.expansion.domain.wording import evidence, offer_of
from shared.kernel.errors import Conflict, NotFound

MORE_SEATS = "more_seats"

Status = Literal["withheld", "open", "lapsed", "won", "lost"]
Outcome = Literal["won", "lost"]


class OpportunityNotFound(NotFound):
    """The account has no such opportunity."""


class OpportunityIsNotOpen(Conflict):
    """Only an open opportunity can be won or lost."""


@dataclass(frozen=True, slots=True)
class Decision:
    """How an opportunity ended, why, and who said so."""

    outcome: Outcome
    reason: str | None
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opportunity:
    """One chance to sell. At most one of a kind is withheld or open in an account.

    withheld <-> open -> won | lost; withheld -> lapsed, when the evidence goes before the holds.
    ``version`` counts its changes, from 1.
    """

    account_id: str
    opportunity_id: UUID
    kind: str
    status: Status
    utilisation: Utilisation
    because: tuple[str, ...] = ()
    until: date | None = None
    explanation: str
    found_at: datetime
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    close_reason: str | None = None
    closed_by: str | None = None
    version: int = 1

    @classmethod
    def found(
        cls,
        account_id: str,
        opportunity_id: UUID,
        *,
        utilisation: Utilisation,
        holds: Sequence[Hold],
        at: datetime,
    ) -> "Opportunity":
        """Return the opportunity that evidence makes: open, or withheld while anything holds."""
        blank = cls(
            account_id=account_id,
            opportunity_id=opportunity_id,
            kind=MORE_SEATS,
            status="withheld",
            utilisation=utilisation,
            explanation="",
            found_at=at,
        )
        return replace(blank.reviewed(utilisation, holds, is_near_limit=True, at=at), version=1)

    def reviewed(
        self,
        utilisation: Utilisation,
        holds: Sequence[Hold],
        *,
        is_near_limit: bool,
        at: datetime,
    ) -> "Opportunity":
        """Return a withheld or open opportunity as it is now, by evidence and holds.

        An open one stays open when its evidence goes: somebody may be talking to the customer.
        """
        if self.status == "withheld" and not is_near_limit:
            return self._changed(self._lapsed(utilisation, at))
        status: Status = "withheld" if holds else "open"
        after = replace(
            self,
            status=status,
            utilisation=utilisation,
            because=tuple(hold.name for hold in holds),
            until=known_end(holds),
            explanation=offer_of(utilisation, holds),
            opened_at=self.opened_at or (None if holds else at),
        )
        return self._changed(after)

    def decided(self, decision: Decision, *, at: datetime) -> "Opportunity":
        """Return the opportunity, won or lost. Raises `OpportunityIsNotOpen`."""
        if self.status != "open":
            raise OpportunityIsNotOpen(f"It is {self.status}; only an open one is won or lost.")
        return self._changed(
            replace(
                self,
                status=decision.outcome,
                closed_at=at,
                close_reason=decision.reason,
                closed_by=decision.by,
            )
        )

    def _lapsed(self, utilisation: Utilisation, at: datetime) -> "Opportunity":
        return replace(
            self,
            status="lapsed",
            utilisation=utilisation,
            because=(),
            until=None,
            explanation=f"{evidence(utilisation)}; the need has gone before it could be offered",
            closed_at=at,
        )

    def _changed(self, after: "Opportunity") -> "Opportunity":
        return self if after == self else replace(after, version=self.version + 1)
