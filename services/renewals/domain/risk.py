"""Risks of an account, as health tells them."""

from dataclasses import dataclass, replace
from datetime import datetime


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
