"""Renewals: the decision at the end of a term, worked like a new sale."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from services.renewals.domain.contract import Contract
from services.renewals.domain.probability import Assessment
from shared.kernel.errors import Conflict, NotFound
from shared.kernel.money import Money

OpenStage = Literal["upcoming", "engaged", "committed"]
Outcome = Literal["won", "lost"]
Stage = Literal["upcoming", "engaged", "committed", "won", "lost"]


class RenewalNotFound(NotFound):
    """The account has no such renewal."""


class RenewalIsDecided(Conflict):
    """The renewal is won or lost; nothing about it can be changed."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a person believes, shown beside the computed probability and never mixed into it."""

    probability: float
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """How a renewal ended."""

    outcome: Outcome
    reason: str | None
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """The renewal of one term. ``version`` counts its changes, from 1."""

    account_id: str
    renewal_id: UUID
    contract_id: UUID
    notice_date: date
    ends_on: date
    amount: Money
    assessment: Assessment
    stage: Stage = "upcoming"
    forecast: Forecast | None = None
    decision: Decision | None = None
    version: int = 1

    @classmethod
    def of(cls, contract: Contract, *, renewal_id: UUID, assessment: Assessment) -> "Renewal":
        """Return the renewal that comes with a contract."""
        return cls(
            account_id=contract.account_id,
            renewal_id=renewal_id,
            contract_id=contract.contract_id,
            notice_date=contract.term.notice_date,
            ends_on=contract.term.ends_on,
            amount=contract.amount,
            assessment=assessment,
        )

    @property
    def is_undecided(self) -> bool:
        """Whether it is neither won nor lost."""
        return self.decision is None

    def is_in_play(self, day: date) -> bool:
        """Tell whether something can still be done for it: undecided, and the term not over."""
        return self.is_undecided and day <= self.ends_on

    def moved(self, contract: Contract) -> "Renewal":
        """Return the renewal with the dates its contract now has."""
        return self._changed(
            replace(self, notice_date=contract.term.notice_date, ends_on=contract.term.ends_on)
        )

    def assessed(self, assessment: Assessment) -> "Renewal":
        """Return the renewal with a new assessment."""
        return self._changed(replace(self, assessment=assessment))

    def forecasted(self, forecast: Forecast) -> "Renewal":
        """Return the renewal with a person's forecast. Raises `RenewalIsDecided`."""
        self._must_be_undecided()
        return self._changed(replace(self, forecast=forecast))

    def at_stage(self, stage: OpenStage) -> "Renewal":
        """Return the renewal at another stage. Raises `RenewalIsDecided`."""
        self._must_be_undecided()
        return self._changed(replace(self, stage=stage))

    def decided(self, decision: Decision) -> "Renewal":
        """Return the renewal, won or lost. Raises `RenewalIsDecided`."""
        self._must_be_undecided()
        return self._changed(replace(self, stage=decision.outcome, decision=decision))

    def _must_be_undecided(self) -> None:
        if not self.is_undecided:
            raise RenewalIsDecided

    def _changed(self, after: "Renewal") -> "Renewal":
        return self if after == self else replace(after, version=self.version + 1)
