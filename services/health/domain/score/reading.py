"""What one input says about an account: the latest word, as points from 0 to 1."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from math import ceil, floor

from services.health.domain.profile.profile import Input, PercentileRule, Tiers
from services.health.domain.score.evidence import Evidence
from services.health.domain.score.loss_model import NEUTRAL
from services.health.domain.score.percentile import Distribution, Peers
from services.health.domain.score.unit import Unit
from shared.kernel.figures import figure, percent

NORMAL = 0.75
"""From this subscore on a value is called normal."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The latest word of an input, before recency. `signal` is the type of signal it came from.

    It does not speak where there is a value and nothing to judge it by.
    """

    value: float | None
    subscore: float
    at: datetime
    baseline: str
    signal: str | None = None
    peers: Peers | None = None
    speaks: bool = True


def read(
    one: Input, evidence: Evidence, now: datetime, distributions: Mapping[str, Distribution]
) -> Reading | None:
    """Return what an input says; None when nothing is known."""
    found = distributions.get(one.name)
    of_signals = (
        _of_signals(one, evidence, found)
        if one.count_window is None
        else _of_count(one, evidence, (now, one.count_window), found)
    )
    readings = [*of_signals, *_of_observation(one, evidence, found)]
    # At the same moment the worse news counts, so that the order of arrival does not.
    return max(readings, key=lambda reading: (reading.at, -reading.subscore), default=None)


@lru_cache(maxsize=1024)
def normal_range(tiers: Tiers, unit: Unit = Unit.NUMBER) -> str:
    """Return which values are normal, in words; empty where the table has no such side."""
    points = tiers.points
    if points == tuple(sorted(points)) and points[-1] >= NORMAL > points[0]:
        return f"{_said(_edge(tiers), unit, ceil)} or more"
    if points == tuple(sorted(points, reverse=True)) and points[0] >= NORMAL > points[-1]:
        if tiers.is_curve:
            return f"at most {_said(_edge(tiers), unit, floor)}"
        return f"under {_said(_edge(tiers), unit, ceil)}"
    return ""


def _said(edge: float, unit: Unit, whole: Callable[[float], int]) -> str:
    """Say an edge in its unit; ``whole`` leads from between two counts to the normal one."""
    exact = round(edge, 9)
    if unit is Unit.SHARE:
        return percent(exact)
    return figure(whole(exact) if unit is Unit.COUNT else exact)


def _edge(tiers: Tiers) -> float:
    """Return the value at which the points pass what is called normal."""
    rows = list(zip(tiers.values, tiers.points, strict=True))
    for (low, before), (high, after) in pairwise(rows):
        if (before >= NORMAL) != (after >= NORMAL):
            if not tiers.is_curve:
                return high
            return low + (high - low) * (NORMAL - before) / (after - before)
    return rows[0][0]


def _of_observation(
    one: Input, evidence: Evidence, found: Distribution | None
) -> Iterable[Reading]:
    seen = evidence.observations.get(one.name)
    if seen is None or (one.tiers is None and one.percentile is None):
        return
    subscore, peers = _judge(one, seen.value, found)
    speaks = _speaks(one, peers)
    yield Reading(seen.value, subscore, seen.at, seen.baseline, peers=peers, speaks=speaks)


def _of_signals(one: Input, evidence: Evidence, found: Distribution | None) -> Iterable[Reading]:
    for signal in evidence.signals:
        if signal.type not in one.signals:
            continue
        fixed, kind = one.signals[signal.type], signal.type
        if fixed is not None:
            yield Reading(signal.value, fixed, signal.at, kind, kind)
        elif signal.value is not None:
            subscore, peers = _judge(one, signal.value, found)
            speaks = _speaks(one, peers)
            yield Reading(signal.value, subscore, signal.at, kind, kind, peers, speaks)


def _of_count(
    one: Input, evidence: Evidence, span: tuple[datetime, timedelta], found: Distribution | None
) -> Iterable[Reading]:
    """Count the signals of the days before now.

    Where none ever came, nobody may be there to send them: nothing is known, and not "none". For
    the same reason "none since" is as old as the end of the window that the last one was in.
    """
    now, window = span
    times = [signal.at for signal in evidence.signals if signal.type in one.signals]
    if not times:
        return
    count = sum(now - at <= window for at in times)
    subscore, peers = _judge(one, count, found)
    speaks = _speaks(one, peers)
    at = min(now, max(times) + window)
    yield Reading(float(count), subscore, at, "", peers=peers, speaks=speaks)


def _judge(one: Input, value: float, found: Distribution | None) -> tuple[float, Peers | None]:
    """Return the points for a value: by rank where enough are alike, else by the tiers."""
    by_tiers = NEUTRAL if one.tiers is None else one.tiers.subscore(value)
    if one.percentile is None:
        return by_tiers, None
    peers = _peers(one.percentile, value, found)
    if peers.percentile is None:
        return by_tiers, peers
    is_healthy = one.percentile.higher_is_healthy
    return (peers.percentile if is_healthy else 1 - peers.percentile), peers


def _peers(rule: PercentileRule, value: float, found: Distribution | None) -> Peers:
    if found is None:
        return Peers(None, 0, rule.min_accounts, None, rule.window.days, None)
    enough = found.accounts >= rule.min_accounts
    return Peers(
        percentile=found.percentile(value) if enough else None,
        accounts=found.accounts,
        min_accounts=rule.min_accounts,
        median=found.median,
        window_days=rule.window.days,
        computed_at=found.computed_at,
    )


def _speaks(one: Input, peers: Peers | None) -> bool:
    return one.tiers is not None or (peers is not None and peers.percentile is not None)
