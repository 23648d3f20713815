"""How likely a renewal is, and exactly why.

p = odds / (1 + odds); each open risk multiplies the odds by its factor, in the order in which the
risks were found. Points are percentage points with one decimal, and add up exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal

from services.renewals.domain.risk import Risk
from services.renewals.domain.rules import DEFAULT_RULES, Rules

Origin = Literal["default", "rule", "model", "person"]

_TENTH = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Reason:
    """A part of a probability: what it adds or takes, in points, and where that comes from."""

    origin: Origin
    label: str
    effect_points: Decimal
    since: datetime
    risk_id: str | None = None
    severity: str | None = None


@dataclass(frozen=True, slots=True)
class CountedRisk:
    """A risk as it was counted, with what it multiplied the odds by."""

    risk_id: str
    severity: str
    label: str
    odds_factor: Decimal
    since: datetime

    @classmethod
    def of(cls, risk: Risk, rules: Rules) -> "CountedRisk":
        """Return a risk as the rules count it."""
        factor = rules.odds_factor_for(risk.severity)
        return cls(risk.risk_id, risk.severity, risk.title, factor, risk.opened_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """A probability with everything it was made of, and the version of the rules that made it."""

    rules: str
    base: Decimal
    label: str
    since: datetime
    risks: tuple[CountedRisk, ...] = ()

    @classmethod
    def of(cls, segment: str | None, *, at: datetime, rules: Rules = DEFAULT_RULES) -> "Assessment":
        """Return the assessment of a renewal against which nothing speaks."""
        return cls(
            rules=rules.version,
            base=rules.base_for(segment),
            label=f"Usual for the segment {segment}" if segment else "Usual; no segment known yet",
            since=at,
        )

    def for_segment(self, segment: str | None, rules: Rules = DEFAULT_RULES) -> "Assessment":
        """Return the assessment from another segment's base, with the same risks."""
        return replace(Assessment.of(segment, at=self.since, rules=rules), risks=self.risks)

    def counts(self, risk: Risk) -> bool:
        """Tell whether the risk is counted, as severe as it now is."""
        return any(
            (each.risk_id, each.severity) == (risk.risk_id, risk.severity) for each in self.risks
        )

    def names(self, risk_id: str) -> bool:
        """Tell whether the risk is counted, however severe."""
        return any(each.risk_id == risk_id for each in self.risks)

    def with_risk(self, risk: Risk, rules: Rules = DEFAULT_RULES) -> "Assessment":
        """Return the assessment with the risk as it now is; a known one keeps its place."""
        counted = CountedRisk.of(risk, rules)
        if not self.names(risk.risk_id):
            return replace(self, risks=(*self.risks, counted))
        risks = (counted if each.risk_id == risk.risk_id else each for each in self.risks)
        return replace(self, risks=tuple(risks))

    def without_risk(self, risk_id: str) -> "Assessment":
        """Return the assessment as if the risk had never been."""
        return replace(self, risks=tuple(each for each in self.risks if each.risk_id != risk_id))

    @property
    def points(self) -> Decimal:
        """The probability in percentage points, with one decimal: the sum of all effects."""
        return points_of(self.reasons)

    @property
    def probability(self) -> float:
        """The probability, 0 to 1, in thousandths."""
        return probability_of(self.reasons)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Everything that made the probability, in the order applied; the first is the base."""
        points = _points(self.base)
        reasons = [Reason("default", self.label, points, self.since)]
        odds = self.base / (1 - self.base)
        for risk in self.risks:
            odds *= risk.odds_factor
            after = _points(odds / (1 + odds))
            reasons.append(_reason(risk, after - points))
            points = after
        return tuple(reasons)


def points_of(reasons: Sequence[Reason]) -> Decimal:
    """Return what all reasons of a renewal add up to, in percentage points with one decimal."""
    return sum((reason.effect_points for reason in reasons), Decimal("0.0"))


def probability_of(reasons: Sequence[Reason]) -> float:
    """Return the probability that all reasons of a renewal make, 0 to 1, in thousandths."""
    return float(points_of(reasons) / 100)


def _points(probability: Decimal) -> Decimal:
    return (probability * 100).quantize(_TENTH)


def _reason(risk: CountedRisk, effect: Decimal) -> Reason:
    return Reason(
        origin="rule",
        label=risk.label,
        effect_points=effect,
        since=risk.since,
        risk_id=risk.risk_id,
        severity=risk.severity,
    )
