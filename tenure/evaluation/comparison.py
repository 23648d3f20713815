"""Compare methods at one false alarm per account-year: how many planted drops each finds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.health.domain.detector.state import Floats
from tenure.evaluation.generator import SPARSE_UNDER, Drop, Usage, generate
from tenure.evaluation.methods import METHODS, judge

FROM_DAY = 56
"""From here on every method has seen enough: 28 days against 28 before need as many."""

PAUSE = 28
YEAR = 365.25
_AROUND_CHRISTMAS = 21
_STEPS = 25


@dataclass(frozen=True, slots=True)
class Quality:
    """How a method does: shares of drops found within 14 and 28 days, and median days.

    A ramp is counted from its first day; `steps` are the drops that are not ramps.

    `christmas` is the yearly rate of alarms in the weeks around Christmas, of accounts that do
    not drop; `false_alarms` the rate over all days, one by construction.
    """

    method: str
    found_14: float
    found_28: float
    steps_14: float
    steps_28: float
    ramps_28: float
    sparse_28: float
    median_days: float
    false_alarms: float
    christmas: float
    drops: int


def compare(seeds: Sequence[int], tell: Callable[[str], None]) -> list[Quality]:
    """Run every method on generated usage; several seeds are pooled. Each step is told."""
    tell(f"judging {len(seeds)} data sets, with and without peers")
    usages = [generate(seed) for seed in seeds]
    judged = {peers: [judge(u, with_peers=peers) for u in usages] for peers in (True, False)}
    found = []
    for name, (method, peers) in METHODS.items():
        tell(name)
        scores = [method(u, j) for u, j in zip(usages, judged[peers], strict=True)]
        found.append(_quality(name, usages, scores))
    return found


def alarms_of(scores: Floats, threshold: float, from_day: int = FROM_DAY) -> list[list[int]]:
    """Return the days of alarms of each account: at or over the threshold, 28 days apart."""
    is_over = scores >= threshold
    found: list[list[int]] = [[] for _ in scores]
    last = np.full(len(scores), -PAUSE)
    for day in range(from_day, scores.shape[1]):
        for account in np.flatnonzero(is_over[:, day] & (day - last >= PAUSE)).tolist():
            found[account].append(day)
            last[account] = day
    return found


def threshold_for(scores: Floats, a_year: float, from_day: int = FROM_DAY) -> float:
    """Return the threshold at which accounts raise so many alarms a year."""
    years = scores.shape[0] * (scores.shape[1] - from_day) / YEAR
    low, high = float(scores.min()), float(scores.max()) + 1e-9
    for _ in range(_STEPS):
        middle = (low + high) / 2
        rate = sum(map(len, alarms_of(scores, middle, from_day))) / years
        low, high = (middle, high) if rate > a_year else (low, middle)
    return high


def days_to_find(alarms: Sequence[int], drop: Drop) -> float:
    """Return the days from a drop to the first alarm after it; infinite when there is none."""
    return next((day - drop.day for day in alarms if day >= drop.day), np.inf)


def _quality(name: str, usages: Sequence[Usage], scores: Sequence[Floats]) -> Quality:
    quiet = np.vstack([s[_steady(u)] for u, s in zip(usages, scores, strict=True)])
    threshold = threshold_for(quiet, 1.0)
    delays: dict[str, list[float]] = {"all": [], "step": [], "ramp": [], "sparse": []}
    for usage, score in zip(usages, scores, strict=True):
        _measure(usage, alarms_of(score, threshold), delays)
    every = np.array(delays["all"])
    found = alarms_of(quiet, threshold)
    return Quality(
        method=name,
        found_14=float((every <= 14).mean()),
        found_28=float((every <= 28).mean()),
        steps_14=_share(delays["step"], 14),
        steps_28=_share(delays["step"]),
        ramps_28=_share(delays["ramp"]),
        sparse_28=_share(delays["sparse"]),
        median_days=float(np.median(every)),
        false_alarms=sum(map(len, found)) * YEAR / (len(quiet) * (quiet.shape[1] - FROM_DAY)),
        christmas=_christmas_rate(found, usages[0]),
        drops=len(every),
    )


def _measure(
    usage: Usage, alarms: Sequence[Sequence[int]], delays: Mapping[str, list[float]]
) -> None:
    for drop in usage.drops:
        delay = days_to_find(alarms[drop.account], drop)
        delays["all"].append(delay)
        delays["ramp" if drop.ramp else "step"].append(delay)
        before = usage.counts[drop.account, max(0, drop.day - 56) : drop.day]
        if before.mean() * 7 < SPARSE_UNDER:
            delays["sparse"].append(delay)


def _steady(usage: Usage) -> list[int]:
    dropping = {drop.account for drop in usage.drops}
    return [n for n in range(len(usage.counts)) if n not in dropping]


def _share(delays: Sequence[float], days: int = 28) -> float:
    return float((np.array(delays) <= days).mean())


def _christmas_rate(alarms: Sequence[Sequence[int]], usage: Usage) -> float:
    first, last = usage.christmas[0], usage.christmas[1] + _AROUND_CHRISTMAS
    there = sum(first <= day < last for days in alarms for day in days)
    return there * YEAR / (len(alarms) * (last - first))
