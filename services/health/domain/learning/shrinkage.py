"""A non-negative logistic regression shrunk to the expert weights.

Formula: "Health, drops, value", health score point 4. The penalised negative log-likelihood is
convex, so what L-BFGS-B finds is the minimum.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from services.health.domain.learning.design import Design, Floats

SEGMENT_PULL = 4.0
"""Ridge on a segment's distance from the common intercept: one of 0.5 is one standard error."""

_MONTH_PULL = 1.0
_SCALE_PULL = 0.05
_LARGEST_SCALE = 40.0


@dataclass(frozen=True, slots=True)
class Fit:
    """Coefficients: the common intercept, each segment's distance from it, months, and betas."""

    intercept: float
    segments: Floats
    month_slope: float
    betas: Floats

    def logits(self, design: Design) -> Floats:
        """Return the log-odds of a loss, not calibrated."""
        base = self.intercept + self.segments[design.segment] + self.month_slope * design.months
        found: Floats = base + np.einsum("ij,j->i", design.evidence, self.betas)
        return found


@dataclass(frozen=True, slots=True)
class _Problem:
    """Columns of evidence with the coefficients they are pulled to, and how strongly."""

    design: Design
    evidence: Floats
    target: Floats
    pull: float

    def cost(self, x: Floats) -> tuple[float, Floats]:
        groups = len(self.design.segments)
        fit = _unpack(x, groups)
        design = self.design
        base = fit.intercept + fit.segments[design.segment] + fit.month_slope * design.months
        logits = base + np.einsum("ij,j->i", self.evidence, fit.betas)
        error = design.weight * (expit(logits) - design.is_lost)
        off = fit.betas - self.target
        each = design.weight * (np.logaddexp(0, logits) - design.is_lost * logits)
        value = each.sum() + 0.5 * (
            SEGMENT_PULL * fit.segments @ fit.segments
            + _MONTH_PULL * fit.month_slope**2
            + self.pull * off @ off
        )
        gradient = np.concatenate(
            [
                [error.sum()],
                np.bincount(design.segment, weights=error, minlength=groups)
                + SEGMENT_PULL * fit.segments,
                [(error * design.months).sum() + _MONTH_PULL * fit.month_slope],
                np.einsum("i,ij->j", error, self.evidence) + self.pull * off,
            ]
        )
        return float(value), gradient

    def solve(self) -> Fit:
        from scipy.optimize import minimize  # noqa: PLC0415 - slow to import; only a fit needs it

        groups, inputs = len(self.design.segments), self.evidence.shape[1]
        rate = float(self.design.weight @ self.design.is_lost / self.design.weight.sum())
        start = np.concatenate([[np.log(rate / (1 - rate))], np.zeros(groups + 1), self.target])
        bounds = [(None, None)] * (groups + 2) + [(0.0, None)] * inputs
        found = minimize(self.cost, start, jac=True, method="L-BFGS-B", bounds=bounds)
        return _unpack(found.x, groups)


def expert_fit(design: Design, weights: Floats) -> Fit:
    """Return the expert weights as a model: one scale, learned, for all of them.

    The scale is the log-odds between the best and the worst score. Needs losses and renewals.
    """
    column = (design.evidence @ weights)[:, None]
    fit = _Problem(design, column, np.array([0.0]), _SCALE_PULL).solve()
    scale = min(float(fit.betas[0]), _LARGEST_SCALE)
    return Fit(fit.intercept, fit.segments, fit.month_slope, scale * weights)


def shrunk_fit(design: Design, expert: Fit, pull: float) -> Fit:
    """Return the model pulled to the expert's betas: infinitely strong means the expert's own."""
    if np.isinf(pull):
        return expert
    return _Problem(design, design.evidence, expert.betas, pull).solve()


def _unpack(x: Floats, groups: int) -> Fit:
    return Fit(float(x[0]), x[1 : 1 + groups], float(x[1 + groups]), x[2 + groups :])
