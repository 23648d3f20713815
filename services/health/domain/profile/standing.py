"""Where an account stands with us: its stage of life, what it bought, and until when."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

_FIRST_DAYS = timedelta(days=30)
_DAYS_A_MONTH = 365.25 / 12


class LifeStage(StrEnum):
    """The stage of a customer's life that chooses a profile beside the segment."""

    ONBOARDING = "onboarding"
    ESTABLISHED = "established"


@dataclass(frozen=True, slots=True)
class Standing:
    """An account's contract in force, in figures; None is not known.

    ``mrr_minor`` is the term's amount spread evenly over its months, in minor units of
    ``currency``.
    """

    is_onboarding: bool = False
    starts_on: date | None = None
    ends_on: date | None = None
    notice_on: date | None = None
    seats: int | None = None
    mrr_minor: int | None = None
    currency: str | None = None

    def life_stage(self, today: date) -> LifeStage:
        """Return the stage: onboarding while the plan is open, and for a contract's first 30 days.

        The contract in force is the account's first as long as nothing else is known.
        """
        is_new = self.starts_on is not None and today < self.starts_on + _FIRST_DAYS
        return LifeStage.ONBOARDING if self.is_onboarding or is_new else LifeStage.ESTABLISHED

    def months_to_renewal(self, today: date) -> float | None:
        """Return the months until the term ends; negative when it is over."""
        return None if self.ends_on is None else (self.ends_on - today).days / _DAYS_A_MONTH


def monthly(amount_minor: int, starts_on: date, ends_on: date) -> int:
    """Return a term's amount a month, in minor units; the last day belongs to the term."""
    months = max(1.0, round(((ends_on - starts_on).days + 1) / _DAYS_A_MONTH))
    return round(amount_minor / months)
