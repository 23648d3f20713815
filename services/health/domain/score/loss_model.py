"""The probability that an account is lost at its renewal, and its exact explanation in points.

Formula: "Health, drops, value", health score point 4 (once data speak) and 5 (calibration).
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

NEUTRAL = 0.5
_FARTHEST_MONTHS = 12.0
"""Contracts of several years are judged as a year away: nothing was learned beyond that."""
_DAYS_A_MONTH = 365.25 / 12
_NEAR = 1e-3


@dataclass(frozen=True, slots=True)
class Calibration:
    """From a logit to a probability that can be trusted.

    Platt: ``sigmoid(slope * logit + offset)``. With ``knots`` (logit, probability), rising in both,
    isotonic: straight lines between them, their ends outside.
    """

    slope: float = 1.0
    offset: float = 0.0
    knots: tuple[tuple[float, float], ...] = ()

    def probability(self, logit: float) -> float:
        """Return the calibrated probability."""
        if not self.knots:
            return sigmoid(self.slope * logit + self.offset)
        above = bisect_right(self.knots, logit, key=lambda knot: knot[0])
        if above in (0, len(self.knots)):
            return self.knots[max(above - 1, 0)][1]
        (x0, y0), (x1, y1) = self.knots[above - 1 : above + 1]
        return y0 + (logit - x0) / (x1 - x0) * (y1 - y0)

    def mean_slope(self, start: float, end: float) -> float:
        """Return the average change of probability per unit of logit between two logits.

        At ``start == end`` it is the derivative. Never negative for a calibration that rises.
        """
        if self.knots:
            return _mean_slope_of_lines(self.knots, start, end)
        return self.slope * _mean_slope_of_sigmoid(
            self.slope * start + self.offset, self.slope * end + self.offset
        )


@dataclass(frozen=True, slots=True)
class LossModel:
    """A fitted model of losing an account within ``horizon_days``.

    ``logit = b_segment + month_slope * months_to_renewal + sum(beta_j * (0.5 - s_j))`` over the
    subscores ``s_j`` after recency, named "dimension.metric". Every beta is at least 0: better
    never means a greater risk. The intercept under "" is for segments the model never saw.
    """

    version: int
    profile_name: str
    profile_version: int
    horizon_days: int
    intercepts: Mapping[str, float]
    month_slope: float
    betas: Mapping[str, float]
    calibration: Calibration
    trained_on: int
    losses: int
    trained_at: datetime

    def base_logit(self, segment: str, months_to_renewal: float | None) -> float:
        """Return the logit of an account whose inputs are all neutral.

        Months are taken between 0 and 12; not known counts as the model's own horizon.
        """
        intercept = self.intercepts.get(segment, self.intercepts.get("", 0.0))
        return intercept + self.month_slope * self.months(months_to_renewal)

    def months(self, months_to_renewal: float | None) -> float:
        """Return the months to the renewal as the model takes them."""
        if months_to_renewal is None:
            return min(self.horizon_days / _DAYS_A_MONTH, _FARTHEST_MONTHS)
        return min(max(months_to_renewal, 0.0), _FARTHEST_MONTHS)

    def contributions(self, subscores: Mapping[str, float]) -> Mapping[str, float]:
        """Return what each input adds to the logit: above 0 speaks for a loss."""
        return {
            name: self.betas.get(name, 0.0) * (NEUTRAL - subscore)
            for name, subscore in subscores.items()
        }

    def logit(
        self, subscores: Mapping[str, float], segment: str, months_to_renewal: float | None
    ) -> float:
        """Return the log-odds of a loss, not calibrated."""
        parts = self.contributions(subscores).values()
        return math.fsum([self.base_logit(segment, months_to_renewal), *parts])

    def probability(
        self, subscores: Mapping[str, float], segment: str, months_to_renewal: float | None
    ) -> float:
        """Return the calibrated probability of a loss."""
        return self.calibration.probability(self.logit(subscores, segment, months_to_renewal))


@dataclass(frozen=True, slots=True)
class Allocation:
    """A model's score in points: ``score = base + sum(points)``, exactly.

    ``base`` is the score with all inputs neutral; points have the opposite sign of their log-odds.
    """

    probability: float
    base: float
    logits: Mapping[str, float]
    points: Mapping[str, float]


def allocate(
    model: LossModel, subscores: Mapping[str, float], segment: str, months: float | None
) -> Allocation:
    """Share the distance between the base score and the score out among the inputs.

    Along the straight line from neutral to the account's subscores (Aumann-Shapley, also called
    integrated gradients) every input gets ``-100 * c_j * mean_slope``, ``c_j`` being its log-odds.
    The mean slope is the same for all and never negative, so points keep their sign, equal
    log-odds get equal points, and they add up by the fundamental theorem of calculus; at a sum of
    log-odds near 0 the mean slope is the derivative, so nothing is divided by nought.
    """
    start = model.base_logit(segment, months)
    logits = model.contributions(subscores)
    end = math.fsum([start, *logits.values()])
    slope = model.calibration.mean_slope(start, end)
    return Allocation(
        probability=model.calibration.probability(end),
        base=100 * (1 - model.calibration.probability(start)),
        logits=logits,
        points={name: -100 * part * slope for name, part in logits.items()},
    )


def sigmoid(logit: float) -> float:
    """Return 1 / (1 + exp(-logit)), for any logit."""
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    odds = math.exp(logit)
    return odds / (1 + odds)


def _mean_slope_of_sigmoid(start: float, end: float) -> float:
    distance = end - start
    if abs(distance) > _NEAR:
        return (sigmoid(end) - sigmoid(start)) / distance
    # (s(b) - s(a)) / (b - a) with s' = s (1 - s), to the second order around the middle.
    middle = sigmoid((start + end) / 2)
    first = middle * (1 - middle)
    third = first * (1 - 6 * first)
    return first + third * distance * distance / 24


def _mean_slope_of_lines(knots: tuple[tuple[float, float], ...], start: float, end: float) -> float:
    low, high = min(start, end), max(start, end)
    if low == high:
        return next(
            ((y1 - y0) / (x1 - x0) for (x0, y0), (x1, y1) in pairwise(knots) if x0 <= low < x1), 0.0
        )
    shares = (
        max(0.0, min(high, x1) - max(low, x0)) / (high - low) * (y1 - y0) / (x1 - x0)
        for (x0, y0), (x1, y1) in pairwise(knots)
    )
    return math.fsum(shares)
