"""What the peers of an account did, day by day, and what may be said about it to people."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from statistics import median
from typing import NamedTuple

from services.health.domain.detector.state import MIN_VOTERS, SegmentState

ALARM_UNDER = 0.8
ALARM_AFTER_WORKING_DAYS = 5
RECOVERED_AFTER_WORKING_DAYS = 3
SAID_FROM_DAY = 28
USUAL_DAYS = 56
_WEEK = 7
_SATURDAY = 5


class PeerDay(NamedTuple):
    """A peer group's day: the peer factor, and the weekday habit before the day.

    `observed` and `expected` are S and B of the factor, from `voters` accounts.
    """

    day: date
    g: float = 1.0
    shape: SegmentState = SegmentState()
    voters: int = 0
    observed: float = 0.0
    expected: float = 0.0


@dataclass(frozen=True, slots=True)
class PeerLevel:
    """Where comparable accounts are against their normal, over a week; None: not to be said.

    `is_alarming` tells that the whole segment is down: no account is down by itself. `observed`
    and `expected` are the week's S and `usual` times its B, which the level is made of.
    """

    level: float | None = None
    voters: int = 0
    is_alarming: bool = False
    observed: float = 0.0
    expected: float = 0.0
    usual: float = 1.0

    def of_others(self, vote: float, ratio: float) -> "PeerLevel":
        """Return the level without one voter, whose part of B a day and ratio are given.

        Among six customers one that is silent would be told of as peers who are down.
        """
        if self.level is None:
            return self
        expected = _WEEK * vote * self.usual
        observed = max(0.0, self.observed - ratio * expected)
        level = _level(observed, max(0.0, self.expected - expected))
        return replace(self, level=level, voters=self.voters - 1)


NO_PEER_LEVEL = PeerLevel()


def peer_level(days: Sequence[PeerDay], group_age: int, *, is_alarming: bool = False) -> PeerLevel:
    """Return what can be said of the peers, from the days of a group, oldest first.

    A week, because single weekend days of few events say little; and not before the group has
    learned its weekdays (four weeks) and has had enough voters on each of the days. The weeks
    before say what is usual: a factor that is never above 1 makes normals learn a tenth too much,
    so that S stays below B in a group where nothing changes.
    """
    week = days[-_WEEK:]
    voters = min((day.voters for day in week), default=0)
    if len(week) < _WEEK or voters < MIN_VOTERS or group_age < SAID_FROM_DAY:
        return PeerLevel(None, voters, is_alarming)
    usual = _usual(days[-_WEEK - USUAL_DAYS : -_WEEK])
    observed, expected = sum(d.observed for d in week), usual * sum(d.expected for d in week)
    level = _level(observed, expected)
    return PeerLevel(level, voters, is_alarming, observed, expected, usual)


def _usual(days: Sequence[PeerDay]) -> float:
    ratios = [day.observed / day.expected for day in days if day.expected > 0]
    return min(1.0, median(ratios)) if len(ratios) >= SAID_FROM_DAY else 1.0


def _level(observed: float, expected: float) -> float:
    return min(1.0, (5 + observed) / (5 + expected))


def is_segment_down(days: Sequence[PeerDay], *, was_down: bool) -> bool:
    """Say whether a whole peer group is down, from its days, oldest first.

    Down: the factor was under `ALARM_UNDER` on five working days in a row. It stays down until it
    was at or above it on three.
    """
    working = [day.g < ALARM_UNDER for day in days if day.day.weekday() < _SATURDAY]
    if was_down:
        return any(working[-RECOVERED_AFTER_WORKING_DAYS:])
    last = working[-ALARM_AFTER_WORKING_DAYS:]
    return len(last) == ALARM_AFTER_WORKING_DAYS and all(last)
