"""The health score: 0 to 100, high is healthy, explained exactly.

Formulas: "Health, drops, value", health score points 2, 3, 4 (expert weights) and 6.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.health.domain.profile.profile import Dimension, Input, Profile

NEUTRAL = 0.5


class Band(StrEnum):
    """What a score means to people."""

    AT_RISK = "at_risk"
    WATCH = "watch"
    HEALTHY = "healthy"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Observation:
    """A number about the account, when it was true, and what is normal for it, in words."""

    value: float
    at: datetime
    baseline: str = ""


@dataclass(frozen=True, slots=True)
class Signal:
    """A typed observation from outside usage; some types carry a value (a survey answer)."""

    type: str
    at: datetime
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known about an account: observations by input name, and signals."""

    observations: Mapping[str, Observation]
    signals: tuple[Signal, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """What one input adds to the score.

    `subscore` is after recency, 0..1; `weight` is the share of the whole, 0..1; `points` and
    `max_points` are of 100. Not observed means half its points, and no say in the coverage.
    """

    dimension: str
    metric: str
    value: float | None
    baseline: str
    subscore: float
    weight: float
    points: float
    max_points: float
    observed: bool
    age_days: float | None
    freshness: float


@dataclass(frozen=True, slots=True)
class Score:
    """A score and its exact explanation: `value` is the sum of the points of its lines.

    Nothing is rounded here; doors round what people see. `coverage` is 0..1.
    """

    value: float
    coverage: float
    lines: tuple[Line, ...]
    profile_name: str
    profile_version: int


@dataclass(frozen=True, slots=True)
class PointChange:
    """How many points of the score's change one input explains."""

    dimension: str
    metric: str
    value_before: float | None
    value_after: float | None
    points: float


@dataclass(frozen=True, slots=True)
class _Reading:
    value: float | None
    subscore: float
    at: datetime
    baseline: str


def score_account(profile: Profile, evidence: Evidence, now: datetime) -> Score:
    """Score an account by a profile. Signals and observations after `now` count as of now."""
    total = math.fsum(dimension.weight for dimension in profile.dimensions)
    lines = tuple(
        line
        for dimension in profile.dimensions
        for line in _lines(dimension, dimension.weight / total, evidence, now)
    )
    return Score(
        value=math.fsum(line.points for line in lines),
        coverage=math.fsum(line.weight * line.freshness for line in lines),
        lines=lines,
        profile_name=profile.name,
        profile_version=profile.version,
    )


def diff(before: Score, after: Score) -> tuple[PointChange, ...]:
    """Return the inputs whose points changed, largest change first.

    Their points sum to the difference of the two scores, also across profile versions.
    """
    old = {(line.dimension, line.metric): line for line in before.lines}
    new = {(line.dimension, line.metric): line for line in after.lines}
    changes = (
        PointChange(
            dimension=key[0],
            metric=key[1],
            value_before=old[key].value if key in old else None,
            value_after=new[key].value if key in new else None,
            points=_points(new, key) - _points(old, key),
        )
        for key in {**new, **old}
    )
    moved = (change for change in changes if change.points != 0)
    return tuple(sorted(moved, key=lambda change: -abs(change.points)))


def band_after(previous: Band | None, score: float, coverage: float, profile: Profile) -> Band:
    """Return the band of a score, given the band before.

    A band is left only `leave_margin` points past its edge. Below the coverage floor the band is
    unknown, whatever the score; what comes after unknown has no habit to keep.
    """
    if coverage < profile.coverage_floor:
        return Band.UNKNOWN
    low, high = profile.bands.at_risk_below, profile.bands.watch_below
    if previous is not None and previous is not Band.UNKNOWN:
        starts = {Band.AT_RISK: -math.inf, Band.WATCH: low, Band.HEALTHY: high}
        ends = {Band.AT_RISK: low, Band.WATCH: high, Band.HEALTHY: math.inf}
        margin = profile.bands.leave_margin
        if starts[previous] - margin <= score < ends[previous] + margin:
            return previous
    if score < low:
        return Band.AT_RISK
    return Band.WATCH if score < high else Band.HEALTHY


def _lines(dimension: Dimension, share: float, evidence: Evidence, now: datetime) -> Iterable[Line]:
    total = math.fsum(one.weight for one in dimension.inputs)
    for one in dimension.inputs:
        yield _line(dimension.name, one, share * one.weight / total, _read(one, evidence), now)


def _line(
    dimension: str, one: Input, weight: float, reading: _Reading | None, now: datetime
) -> Line:
    age = None if reading is None else max((now - reading.at) / timedelta(days=1), 0.0)
    freshness = 0.0 if age is None else _freshness(age, one.half_life_days)
    raw = NEUTRAL if reading is None else reading.subscore
    subscore = NEUTRAL + (raw - NEUTRAL) * freshness
    return Line(
        dimension=dimension,
        metric=one.name,
        value=None if reading is None else reading.value,
        baseline="" if reading is None else reading.baseline,
        subscore=subscore,
        weight=weight,
        points=100 * weight * subscore,
        max_points=100 * weight,
        observed=reading is not None,
        age_days=age,
        freshness=freshness,
    )


def _freshness(age_days: float, half_life_days: float | None) -> float:
    return 1.0 if half_life_days is None else 2.0 ** (-age_days / half_life_days)


def _read(one: Input, evidence: Evidence) -> _Reading | None:
    readings = [*_of_signals(one, evidence.signals), *_of_observation(one, evidence)]
    # At the same moment the worse news counts, so that the order of arrival does not.
    return max(readings, key=lambda reading: (reading.at, -reading.subscore), default=None)


def _of_observation(one: Input, evidence: Evidence) -> Iterable[_Reading]:
    seen = evidence.observations.get(one.name)
    if seen is not None and one.tiers is not None:
        yield _Reading(seen.value, one.tiers.subscore(seen.value), seen.at, seen.baseline)


def _of_signals(one: Input, signals: Iterable[Signal]) -> Iterable[_Reading]:
    for signal in signals:
        if signal.type not in one.signals:
            continue
        fixed = one.signals[signal.type]
        if fixed is not None:
            yield _Reading(signal.value, fixed, signal.at, signal.type)
        elif signal.value is not None and one.tiers is not None:
            yield _Reading(signal.value, one.tiers.subscore(signal.value), signal.at, signal.type)


def _points(lines: Mapping[tuple[str, str], Line], key: tuple[str, str]) -> float:
    return lines[key].points if key in lines else 0.0
