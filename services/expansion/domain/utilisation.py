"""Utilisation: active users of 28 days / seats sold."""

from dataclasses import dataclass
from datetime import date

APPROACHES_ABOVE = 0.85
RELEASED_BELOW = 0.80


@dataclass(frozen=True, slots=True)
class Usage:
    """How many users were active in the 28 days up to a day."""

    day: date
    active_users_28d: int


@dataclass(frozen=True, slots=True)
class Utilisation:
    """How many of the seats sold are in use, as of the usage's day. ``seats`` is at least 1."""

    seats: int
    active_users_28d: int
    day: date

    @property
    def ratio(self) -> float:
        """Active users / seats, with four decimals; above 1 when more are active than sold."""
        return round(self.active_users_28d / self.seats, 4)

    def is_near_limit(self, *, was_near: bool) -> bool:
        """Tell whether the limit is near: above 85 %, and then until it is under 80 %."""
        ratio = self.active_users_28d / self.seats
        return ratio >= RELEASED_BELOW if was_near else ratio > APPROACHES_ABOVE
