"""What changed between two scores, in points that add up to their difference exactly."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.health.domain.score.evidence import Evidence, Observation, Signal
from services.health.domain.score.score import Line, Score

_SAME_LOGIT = 1e-9
_SAME_WORD = 1e-9


class Cause(StrEnum):
    """What kind of thing moved the points."""

    INPUT = "input"
    RENEWAL = "renewal"  # the starting point of a model: months to renewal, segment
    PROFILE = "profile"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class PointChange:
    """How many points of the score's change one thing explains.

    For an input ``dimension`` and ``metric`` name it; otherwise ``metric`` says what changed to
    what. Ages are in days; None is not observed. ``is_of_age``: what was said would not have moved
    the points this way, so that it counts more or less by its age did.
    """

    dimension: str
    metric: str
    value_before: float | None
    value_after: float | None
    points: float
    cause: Cause = Cause.INPUT
    age_before: float | None = None
    age_after: float | None = None
    signal_before: str | None = None
    signal_after: str | None = None
    log_odds: float | None = None
    is_share: bool = False  # values are said in percent
    is_of_age: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of two scores, largest change first; ``points`` is the sum of the changes.

    ``is_apart``: whether a change of profile or model could be told apart from what happened at
    the account. Where it could not, the changes of the inputs contain it.
    """

    points: float
    changes: tuple[PointChange, ...]
    is_apart: bool = True


def judged_by(score: Score) -> str:
    """Return who decided: profile and version, and the model's version where one spoke."""
    profile = f"{score.profile_name}@{score.profile_version}"
    return profile if score.model is None else f"{profile} with model v{score.model.version}"


def difference(before: Score, after: Score, bridge: Score | None = None) -> Difference:
    """Return what changed from one score to a later one.

    ``bridge`` is the evidence of the first judged by the profile and model of the second: with it
    a change of profile is a change of its own, ``bridge - before``, and the inputs explain
    ``after - bridge``.
    """
    if judged_by(before) == judged_by(after):
        return _of(_changes(before, after))
    if bridge is None or judged_by(bridge) != judged_by(after):
        return _of(_points_changes(before, after), is_apart=False)
    switched = PointChange(
        dimension="",
        metric=f"{judged_by(before)} -> {judged_by(after)}",
        value_before=before.value,
        value_after=bridge.value,
        points=bridge.value - before.value,
        cause=_switch(before, after),
    )
    return _of([switched, *_changes(bridge, after)])


def evidence_of(score: Score, at: datetime) -> Evidence:
    """Return the evidence that a score was computed from, as far as its lines tell it."""
    observations, signals = {}, []
    for line in score.lines:
        if line.age_days is None:
            continue
        seen_at = at - timedelta(days=line.age_days)
        if line.signal is not None:
            signals.append(Signal(line.signal, seen_at, line.value))
        elif line.value is not None:
            observations[line.metric] = Observation(line.value, seen_at, line.baseline)
    return Evidence(observations, tuple(signals))


def _of(changes: Iterable[PointChange], *, is_apart: bool = True) -> Difference:
    switches = (Cause.PROFILE, Cause.MODEL)
    moved = [change for change in changes if change.points != 0 or change.cause in switches]
    ordered = tuple(sorted(moved, key=lambda change: -abs(change.points)))
    return Difference(math.fsum(change.points for change in moved), ordered, is_apart)


def _switch(before: Score, after: Score) -> Cause:
    same = (before.profile_name, before.profile_version) == (
        after.profile_name,
        after.profile_version,
    )
    return Cause.MODEL if same else Cause.PROFILE


def _changes(before: Score, after: Score) -> list[PointChange]:
    """Return the changes between two scores of one judge."""
    if before.model is None or after.model is None:
        return _points_changes(before, after)
    return _log_odds_changes(before, after)


def _points_changes(before: Score, after: Score) -> list[PointChange]:
    changes = [_change(old, new, _points(new) - _points(old)) for old, new in _pairs(before, after)]
    if after.base != before.base:
        changes.append(_start(before, after, after.base - before.base))
    return changes


def _log_odds_changes(before: Score, after: Score) -> list[PointChange]:
    """Share the difference out along the straight line between the two states of one model.

    Comparing the points of the lines would add up as well, but would say of inputs that stood
    still that they moved, because the curve is steeper elsewhere.
    """
    slope = _mean_slope(before, after)
    changes = []
    for old, new in _pairs(before, after):
        moved = _log_odds(new) - _log_odds(old)
        changes.append(_change(old, new, slope * moved, moved))
    if before.model is not None and after.model is not None:
        moved = after.model.base_logit - before.model.base_logit
        changes.append(_start(before, after, slope * moved))
    return changes


def _mean_slope(before: Score, after: Score) -> float:
    """Return points of score per unit of logit between two scores of one model: never above 0."""
    if before.model is None or after.model is None:
        return 0.0
    distance = after.model.logit - before.model.logit
    if abs(distance) < _SAME_LOGIT:
        return -100 * after.model.slope
    return (after.value - before.value) / distance


def _start(before: Score, after: Score, points: float) -> PointChange:
    return PointChange(
        dimension="",
        metric="starting point of the model",
        value_before=before.model.months if before.model else None,
        value_after=after.model.months if after.model else None,
        points=points,
        cause=Cause.RENEWAL,
    )


def _pairs(before: Score, after: Score) -> list[tuple[Line | None, Line | None]]:
    old: Mapping[tuple[str, str], Line] = {
        (line.dimension, line.metric): line for line in before.lines
    }
    new: Mapping[tuple[str, str], Line] = {
        (line.dimension, line.metric): line for line in after.lines
    }
    return [(old.get(key), new.get(key)) for key in {**new, **old}]


def _change(
    old: Line | None, new: Line | None, points: float, log_odds: float | None = None
) -> PointChange:
    named = new or old
    return PointChange(
        dimension=named.dimension if named else "",
        metric=named.metric if named else "",
        value_before=old.value if old else None,
        value_after=new.value if new else None,
        points=points,
        age_before=old.age_days if old else None,
        age_after=new.age_days if new else None,
        signal_before=old.signal if old else None,
        signal_after=new.signal if new else None,
        log_odds=log_odds,
        is_share=named is not None and named.is_share,
        is_of_age=old is not None and new is not None and _is_of_age(old, new, points),
    )


def _is_of_age(old: Line, new: Line, points: float) -> bool:
    if not (old.freshness and new.freshness):
        return False
    moved = new.word - old.word
    return abs(moved) < _SAME_WORD or moved * points < 0


def _points(line: Line | None) -> float:
    return 0.0 if line is None else line.points


def _log_odds(line: Line | None) -> float:
    return 0.0 if line is None or line.log_odds is None else line.log_odds
