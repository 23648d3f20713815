"""Saves: the work of keeping a renewal that is at risk."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.renewals.domain.risk import Risk

Outcome = Literal["recovered", "won", "lost"]


@dataclass(frozen=True, slots=True)
class SaveReason:
    """Why a renewal needs saving, what to do, and since when; until when, once it is gone.

    ``told_with`` is the risk that tells it since then, if it is not over but merged.
    """

    risk_id: str
    reason: str
    severity: str
    title: str
    explanation: str
    next_step: str
    since: datetime
    gone_at: datetime | None = None
    told_with: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """One save of a renewal: opened by its first reason, closed when none is left."""

    account_id: str
    save_id: UUID
    renewal_id: UUID
    opened_at: datetime
    reasons: tuple[SaveReason, ...] = ()
    closed_at: datetime | None = None
    outcome: Outcome | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is still something to do."""
        return self.closed_at is None

    def with_risk(self, risk: Risk, *, at: datetime) -> "Save":
        """Return the save with the risk as it now is among its reasons."""
        since = {each.risk_id: each.since for each in self.reasons}
        reason = SaveReason(
            risk_id=risk.risk_id,
            reason=risk.reason,
            severity=risk.severity,
            title=risk.title,
            explanation=risk.explanation,
            next_step=risk.next_step,
            since=since.get(risk.risk_id, at),
        )
        others = tuple(each for each in self.reasons if each.risk_id != risk.risk_id)
        return replace(self, reasons=(*others, reason))

    def without_risk(self, risk_id: str, *, at: datetime) -> "Save":
        """Return the save with that reason gone, and closed if it was the last."""
        reasons = tuple(
            replace(each, gone_at=at) if each.risk_id == risk_id and not each.gone_at else each
            for each in self.reasons
        )
        after = replace(self, reasons=reasons)
        is_done = all(each.gone_at for each in reasons)
        return after.closed("recovered", at=at) if is_done else after

    def merged(self, risk_id: str, into: Risk, *, at: datetime) -> "Save":
        """Return the save with that reason told by another one; the work goes on."""
        reasons = tuple(
            replace(each, gone_at=at, told_with=into.risk_id) if each.risk_id == risk_id else each
            for each in self.reasons
        )
        return replace(self, reasons=reasons)

    def closed(self, outcome: Outcome, *, at: datetime) -> "Save":
        """Return the save, over."""
        return replace(self, closed_at=at, outcome=outcome)
