"""The rules behind a probability, as versioned data: every assessment names its version."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Rules:
    """How likely renewal is before anything speaks against it, and what a risk does to it.

    ``base``: probability by segment. ``odds_factor``: by severity of a risk, multiplies the odds
    p / (1 - p). What is not listed gets the ``otherwise`` value.
    """

    version: str
    base: Mapping[str, Decimal]
    base_otherwise: Decimal
    odds_factor: Mapping[str, Decimal]
    odds_factor_otherwise: Decimal

    def base_for(self, segment: str | None) -> Decimal:
        """Return the probability to start from."""
        return self.base.get(segment or "", self.base_otherwise)

    def odds_factor_for(self, severity: str) -> Decimal:
        """Return what a risk of this severity multiplies the odds by."""
        return self.odds_factor.get(severity, self.odds_factor_otherwise)


# Expert values, to be replaced by the company's own rates: a changed table is a new version.
DEFAULT_RULES = Rules(
    version="default@1",
    base=MappingProxyType(
        {"enterprise": Decimal("0.90"), "mid": Decimal("0.85"), "smb": Decimal("0.80")}
    ),
    base_otherwise=Decimal("0.85"),
    odds_factor=MappingProxyType(
        {
            "low": Decimal("0.8"),
            "medium": Decimal("0.6"),
            "high": Decimal("0.4"),
            "critical": Decimal("0.25"),
        }
    ),
    odds_factor_otherwise=Decimal("0.6"),
)
