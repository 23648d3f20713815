"""Risks of an account, as health tells them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """A problem on an account: open until it has recovered."""

    account_id: str
    risk_id: str
    reason: str
    severity: str
    title: str
    explanation: str
    next_step: str
    opened_at: datetime
    recovered_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still holds."""
        return self.recovered_at is None

    def told(self, again: "Risk") -> "Risk":
        """Return the risk after it was told again; one that has recovered stays so."""
        return replace(again, opened_at=self.opened_at) if self.is_open else self

    def recovered(self, at: datetime) -> "Risk":
        """Return the risk, over."""
        return replace(self, recovered_at=at) if self.is_open else self


@dataclass(frozen=True, slots=True)
class Merge:
    """That a risk is told with another one for as long as that one is open."""

    account_id: str
    risk_id: str
    into_risk_id: str


@dataclass(frozen=True, slots=True)
class OpenRisks:
    """The open risks of an account, in the order they were found, each story once.

    ``counted`` speak for themselves. ``merged`` are told with another open risk, each beside the
    one that it is told with.
    """

    counted: tuple[Risk, ...]
    merged: tuple[tuple[Risk, Risk], ...] = ()

    @classmethod
    def of(cls, risks: Sequence[Risk], merges: Iterable[Merge]) -> Self:
        """Return open risks by who tells them.

        A merge into a risk that is over, or was never heard of, holds nothing back: what is
        doubtful counts.
        """
        is_open = {risk.risk_id: risk for risk in risks}
        heads = {
            each.risk_id: is_open[each.into_risk_id]
            for each in merges
            if each.into_risk_id in is_open
        }
        return cls(
            counted=tuple(risk for risk in risks if risk.risk_id not in heads),
            merged=tuple((risk, heads[risk.risk_id]) for risk in risks if risk.risk_id in heads),
        )
