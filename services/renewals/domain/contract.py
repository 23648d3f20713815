"""Contracts: what was sold, for which term, and when notice is due."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal, TypeVar
from uuid import UUID

from shared.kernel.errors import Invalid, NotFound
from shared.kernel.money import Money

DEFAULT_NOTICE_DAYS = 90

_T = TypeVar("_T")

Status = Literal["upcoming", "active", "ended"]


class ContractNotFound(NotFound):
    """The account has no such contract."""


class TermEndsBeforeItStarts(Invalid):
    """The term must end after the day it starts."""


class NoticeDueBeforeTerm(Invalid):
    """The notice date lies before the term starts; shorten the notice period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A period of a contract, first and last day included.

    Raises `TermEndsBeforeItStarts` or `NoticeDueBeforeTerm`.
    """

    starts_on: date
    ends_on: date
    notice_period_days: int = DEFAULT_NOTICE_DAYS
    auto_renew: bool = False

    def __post_init__(self) -> None:
        if self.ends_on <= self.starts_on:
            raise TermEndsBeforeItStarts
        if (self.ends_on - self.starts_on).days < self.notice_period_days:
            raise NoticeDueBeforeTerm

    @property
    def notice_date(self) -> date:
        """The last day on which the customer may give notice."""
        return self.ends_on - timedelta(days=self.notice_period_days)

    def status_on(self, day: date) -> Status:
        """Return where a day lies: before, within or after the term."""
        if day < self.starts_on:
            return "upcoming"
        return "active" if day <= self.ends_on else "ended"

    def amended(self, change: "TermChange") -> "Term":
        """Return the term with what the change names; raises as `Term` does."""
        return Term(
            starts_on=self.starts_on,
            ends_on=change.ends_on or self.ends_on,
            notice_period_days=_or(change.notice_period_days, self.notice_period_days),
            auto_renew=_or(change.auto_renew, self.auto_renew),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TermChange:
    """What changes in a term; None leaves it as it is."""

    ends_on: date | None = None
    notice_period_days: int | None = None
    auto_renew: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewContract:
    """A contract to be signed: seats sold, and the amount of the term."""

    account_id: str
    term: Term
    seats: int
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A signed contract. ``version`` counts its changes, from 1."""

    account_id: str
    contract_id: UUID
    term: Term
    seats: int
    amount: Money
    signed_at: datetime
    version: int = 1

    @classmethod
    def signed(cls, order: NewContract, *, contract_id: UUID, at: datetime) -> "Contract":
        """Return the contract that an order becomes."""
        return cls(
            account_id=order.account_id,
            contract_id=contract_id,
            term=order.term,
            seats=order.seats,
            amount=order.amount,
            signed_at=at,
        )

    def amended(self, change: TermChange) -> "Contract":
        """Return the contract with its term changed; the same one if nothing changes."""
        term = self.term.amended(change)
        return self if term == self.term else replace(self, term=term, version=self.version + 1)


def _or(value: _T | None, otherwise: _T) -> _T:
    return otherwise if value is None else value
