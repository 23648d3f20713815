"""Holds: reasons not to sell anything to an account now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from shared.kernel.figures import spoken

LANDING = "landing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """A problem on an account: open until it has recovered."""

    account_id: str
    risk_id: str
    reason: str
    opened_at: datetime
    recovered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """One reason, and the day from which it no longer holds, if that is known.

    ``name`` is ``landing`` or ``risk:<reason>``.
    """

    name: str
    until: date | None = None

    @property
    def sentence(self) -> str:
        """The reason, for people."""
        if self.name == LANDING:
            return f"the account is landing (until {self.until})"
        reason = spoken(self.name.removeprefix("risk:"))
        return f'the risk "{reason}" is open'


def holds_on(
    day: date, *, no_upsell_until: date | None, open_risks: Sequence[Risk]
) -> tuple[Hold, ...]:
    """Return what holds on a day; two risks of one reason are one hold."""
    is_landing = no_upsell_until is not None and day < no_upsell_until
    landing = (Hold(LANDING, no_upsell_until),) if is_landing else ()
    reasons = dict.fromkeys(f"risk:{risk.reason}" for risk in open_risks)
    return (*landing, *(Hold(name) for name in reasons))


def known_end(holds: Sequence[Hold]) -> date | None:
    """Return the day from which nothing holds; None when no one can know it."""
    ends = [hold.until for hold in holds]
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None
