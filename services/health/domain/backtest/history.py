"""What happened, and when it became known: the material of a back-test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from services.health.domain.score.score import Signal

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
NOBODY = -1
EPOCH = date(1970, 1, 1).toordinal()
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class UsageLog:
    """Counts as parallel arrays: one entry per account, day, event name and, if known, user.

    Days are proleptic ordinals (``date.toordinal``), ``known`` is the second (Unix time) at which
    the count had arrived. ``user`` is `NOBODY` where no user was named.
    """

    account: Ints
    day: Ints
    event: Ints
    count: Floats
    user: Ints
    known: Ints

    @classmethod
    def empty(cls) -> "UsageLog":
        """Return a log without usage."""
        none = np.zeros(0, dtype=np.int64)
        return cls(none, none, none, np.zeros(0), none, none)

    def __len__(self) -> int:
        return len(self.day)

    def take(self, positions: Ints | NDArray[np.bool_] | slice) -> "UsageLog":
        """Return the entries at these positions."""
        return UsageLog(
            self.account[positions],
            self.day[positions],
            self.event[positions],
            self.count[positions],
            self.user[positions],
            self.known[positions],
        )

    def by_day(self) -> "UsageLog":
        """Return the log in the order of its days."""
        return self.take(np.argsort(self.day, kind="stable"))


@dataclass(frozen=True, slots=True)
class KnownSignal:
    """A signal, and when we knew of it."""

    signal: Signal
    known_at: datetime


@dataclass(frozen=True, slots=True)
class Renewal:
    """How a renewal ended: the customer stayed or was lost on its day.

    ``starts_on`` is the first day of the term: before it there was nothing to watch.
    ``notice_on`` is the last day to give notice, ``notice_given_on`` the day it was given: from
    then on there is nothing left to predict. ``mrr_minor`` is money a month in minor units of
    ``currency``.
    """

    account: int
    day: date
    is_lost: bool
    mrr_minor: int | None = None
    currency: str | None = None
    starts_on: date | None = None
    notice_on: date | None = None
    notice_given_on: date | None = None


@dataclass(frozen=True, slots=True)
class History:
    """All accounts by position, and everything known about them.

    ``segments`` and ``groups`` (peers whose days begin together) are one per account; ``events``
    are the names that ``usage.event`` points at. ``people`` is usage by user where that is kept
    apart from usage by event; None means that ``usage`` names the users.
    """

    accounts: Sequence[str]
    segments: Sequence[str]
    groups: Sequence[str]
    events: Sequence[str]
    usage: UsageLog
    renewals: Sequence[Renewal]
    signals: Mapping[int, Sequence[KnownSignal]] = field(default_factory=dict)
    people: UsageLog | None = None

    @property
    def usage_by_user(self) -> UsageLog:
        """Return the counts that name a user."""
        log = self.usage if self.people is None else self.people
        return log.take(log.user != NOBODY)

    @property
    def names_users(self) -> bool:
        """Say whether usage names users: without, active users are not observed."""
        return len(self.usage_by_user) > 0


def known_by_end_of(days: Ints) -> Ints:
    """Return the seconds at which counts of these days were known, when nobody noted it."""
    return (days - EPOCH + 1) * _DAY


def seen_at(landmark: date) -> datetime:
    """Return the moment of a landmark: noon UTC, when the day before is over everywhere."""
    return datetime(landmark.year, landmark.month, landmark.day, 12, tzinfo=UTC)


def last_closed_day(landmark: date) -> date:
    """Return the last day that counts at a landmark."""
    return landmark - timedelta(days=1)
