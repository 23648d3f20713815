"""The usage of the cast: seeded, by day, with weekdays and noise, in the customer's own hours."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from tenure.demo.cast import Customer, Part

HISTORY_DAYS = 70
LIVE_DAYS = 16
LANDED_DAYS = 25
"""How long ago the landing customer began."""

_SEED = 2029
_WEEK = (1.0, 1.05, 1.05, 1.0, 0.9, 0.3, 0.25)
_EVENTS = ("record.created", "dashboard.viewed", "report.exported", "comment.added")
_SHARES = (0.45, 0.35, 0.12, 0.08)
_FALL_A_DAY = 0.87
_FALL_FROM = 0.5
_OPENS, _OPEN_HOURS = time(7), 12
_EARLY, _EARLY_MINUTES = time(1, 5), 45


@dataclass(frozen=True, slots=True)
class Use:
    """A user did something once, at a time."""

    account_id: str
    user_id: str
    event: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days of the story; the last one is today, which is never sealed."""

    today: date

    @property
    def history(self) -> tuple[date, ...]:
        """The days that come from a file, oldest first."""
        first = self.live[0] - timedelta(days=HISTORY_DAYS)
        return tuple(first + timedelta(days=n) for n in range(HISTORY_DAYS))

    @property
    def live(self) -> tuple[date, ...]:
        """The days that product backends send, oldest first; today follows."""
        return tuple(self.today - timedelta(days=n) for n in range(LIVE_DAYS, 0, -1))


def uses(customer: Customer, day: date, calendar: Calendar) -> Iterator[Use]:
    """Return what a customer's users do on a day, in order of time."""
    number = (day - calendar.live[0]).days
    rng = np.random.default_rng([_SEED, sum(customer.name.encode()), number + HISTORY_DAYS])
    count = _count(rng, customer, day, number)
    users = rng.choice(customer.user_ids, count)
    names = rng.choice(_EVENTS, count, p=_SHARES)
    opens, minutes = (
        (_OPENS, _OPEN_HOURS * 60) if day < calendar.today else (_EARLY, _EARLY_MINUTES)
    )
    start = datetime.combine(day, opens, ZoneInfo(customer.time_zone))
    for user, name, at in zip(users, names, np.sort(rng.random(count)), strict=True):
        moment = start + timedelta(minutes=float(at) * minutes)
        yield Use(customer.account_id, str(user), _name(customer, str(name), number), moment)


def share(part: Part, number: int) -> float:
    """Return how much of its usual use a customer shows; day 0 is the first live one."""
    if part is Part.FALLING and number >= 0:
        return _FALL_FROM * _FALL_A_DAY**number
    if part is Part.SILENT and 0 <= number < LIVE_DAYS - 1:
        return 0.0
    if part is Part.LANDING and number < -LANDED_DAYS:
        return 0.0
    return 1.0


def _count(rng: np.random.Generator, customer: Customer, day: date, number: int) -> int:
    """Return how many events there are: half of the work is routine, the other half is chance."""
    mean = customer.volume * _WEEK[day.weekday()] * share(customer.part, number)
    routine = int(mean / 2)
    return routine + int(rng.poisson(mean - routine))


def _name(customer: Customer, name: str, number: int) -> str:
    """Return the event's name; whoever lands has exported nothing before the fourth day."""
    is_early = customer.part is Part.LANDING and number < 3
    return "record.created" if is_early and name == "report.exported" else name
