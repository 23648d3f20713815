"""What expansion keeps of an account."""

from dataclasses import dataclass, replace
from datetime import date, datetime

from services.expansion.domain.utilisation import Usage
from shared.kernel.days import day_begins, local_day, zone_of
from shared.kernel.errors import NotFound


class AccountNotFound(NotFound):
    """Nothing is known about this account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The customer company, with what decides whether more can be offered to it.

    ``near_limit_since``: when its utilisation came close to the limit; None while it is not.
    """

    account_id: str
    time_zone: str = "UTC"
    usage: Usage | None = None
    no_upsell_until: date | None = None
    near_limit_since: datetime | None = None

    @property
    def is_near_limit(self) -> bool:
        """Whether its utilisation is close to the limit."""
        return self.near_limit_since is not None

    def day_at(self, moment: datetime) -> date:
        """Return the day it is where the account is."""
        return local_day(moment, zone_of(self.time_zone))

    def day_begins(self, day: date) -> datetime:
        """Return the first instant of a day where the account is, in UTC."""
        return day_begins(day, zone_of(self.time_zone))

    @property
    def hold_ends_at(self) -> datetime | None:
        """When the day begins from which landing no longer holds, in UTC."""
        return self.day_begins(self.no_upsell_until) if self.no_upsell_until else None

    def used(self, usage: Usage) -> "Account":
        """Return the account with newer figures; older days change nothing."""
        is_older = self.usage is not None and usage.day < self.usage.day
        return self if is_older else replace(self, usage=usage)

    def near_limit(self, *, is_near: bool, at: datetime) -> "Account":
        """Return the account, close to its limit or not."""
        since = (self.near_limit_since or at) if is_near else None
        return replace(self, near_limit_since=since)
