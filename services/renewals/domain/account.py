"""What renewals keeps of an account."""

from dataclasses import dataclass, replace
from datetime import date, datetime

from shared.kernel.days import day_begins, local_day, zone_of
from shared.kernel.errors import NotFound


class AccountNotFound(NotFound):
    """Nothing is known about this account."""


@dataclass(frozen=True, slots=True)
class Account:
    """The customer company. Contracts and risks may be heard of before its segment and zone."""

    account_id: str
    segment: str | None = None
    time_zone: str = "UTC"

    def described(self, *, segment: str, time_zone: str) -> "Account":
        """Return the account with the segment and zone it now has."""
        return replace(self, segment=segment, time_zone=time_zone)

    def day_at(self, moment: datetime) -> date:
        """Return the day it is where the account is."""
        return local_day(moment, zone_of(self.time_zone))

    def day_begins(self, day: date) -> datetime:
        """Return the first instant of a day where the account is, in UTC."""
        return day_begins(day, zone_of(self.time_zone))
