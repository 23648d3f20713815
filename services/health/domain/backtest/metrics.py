"""How well a risk ranks and how true a probability is; all weighted, all without opinions.

``risk``: larger means more likely lost. ``lost`` is true or false per entry, ``weight`` how often
the entry counts (a bootstrap's multiplicity). Each returns nan where it is not defined. Sums are
written out: handing vectors of this size to threads of a linear-algebra library costs more.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_CERTAIN = 1e-9
_STEPS, _LONGEST_STEP, _SETTLED = 50, 2.0, 1e-7


@dataclass(frozen=True, slots=True)
class Ranked:
    """Entries sorted once, riskiest first, so that many weightings of them are cheap."""

    order: Ints
    lost: Bools
    starts: Ints

    @classmethod
    def of(cls, risk: Floats, lost: Bools) -> Self:
        """Sort entries; entries of equal risk form one step."""
        order = np.argsort(-risk, kind="stable")
        starts = np.flatnonzero(np.diff(risk[order], prepend=np.nan) != 0)
        return cls(order, lost[order], starts)

    def areas(self, weight: Floats) -> tuple[float, float]:
        """Return AUC and average precision of the entries so weighted."""
        if not len(self.order):
            return math.nan, math.nan
        heavy = weight[self.order]
        all_steps = np.add.reduceat(heavy, self.starts)
        lost = np.add.reduceat(np.where(self.lost, heavy, 0.0), self.starts)
        return _area(lost, all_steps - lost), _average_precision(lost, all_steps)


def auc(risk: Floats, lost: Bools, weight: Floats) -> float:
    """Return the chance that a lost entry has a greater risk than a kept one; ties count half."""
    return Ranked.of(risk, lost).areas(weight)[0]


def pr_auc(risk: Floats, lost: Bools, weight: Floats) -> float:
    """Return average precision: precision at each distinct risk, weighted by the recall it adds."""
    return Ranked.of(risk, lost).areas(weight)[1]


def _area(lost: Floats, kept: Floats) -> float:
    all_lost, all_kept = lost.sum(), kept.sum()
    if all_lost <= 0 or all_kept <= 0:
        return math.nan
    below = all_kept - np.cumsum(kept)
    return float((lost * (below + kept / 2)).sum() / (all_lost * all_kept))


def _average_precision(lost: Floats, everyone: Floats) -> float:
    all_lost = lost.sum()
    if all_lost <= 0:
        return math.nan
    named = np.cumsum(everyone)
    precision = np.divide(np.cumsum(lost), named, out=np.zeros_like(named), where=named > 0)
    return float((precision * lost).sum() / all_lost)


def base_rate(lost: Bools, weight: Floats) -> float:
    """Return the share that was lost."""
    total = weight.sum()
    return float(weight[lost].sum() / total) if total > 0 else math.nan


def brier(probability: Floats, lost: Bools, weight: Floats) -> float:
    """Return the mean squared error of a probability: 0 is perfect."""
    total = weight.sum()
    return float((weight * (probability - lost) ** 2).sum() / total) if total > 0 else math.nan


def brier_skill(probability: Floats, lost: Bools, weight: Floats) -> float:
    """Return the part of the Brier score saved against always saying the base rate."""
    rate = base_rate(lost, weight)
    reference = rate * (1 - rate)
    return 1 - brier(probability, lost, weight) / reference if reference > 0 else math.nan


def log_loss(probability: Floats, lost: Bools, weight: Floats) -> float:
    """Return the mean negative log-likelihood."""
    sure = np.clip(probability, _CERTAIN, 1 - _CERTAIN)
    each = -np.where(lost, np.log(sure), np.log1p(-sure))
    total = weight.sum()
    return float((weight * each).sum() / total) if total > 0 else math.nan


def logit(probability: Floats) -> Floats:
    """Return log-odds; certainty is cut off at one in a billion."""
    sure = np.clip(probability, _CERTAIN, 1 - _CERTAIN)
    odds: Floats = np.log(sure / (1 - sure))
    return odds


def line_through(
    logits: Floats, lost: Bools, weight: Floats, *, held_by: float = 0.0
) -> tuple[float, float]:
    """Return slope and offset of the logistic regression of the outcome on log-odds.

    A calibrated probability has slope 1 and offset 0. ``held_by`` imaginary observations' worth of
    ridge keep both near that where data is thin.
    """
    slope, offset = 1.0, 0.0
    for _ in range(_STEPS):
        said = 1 / (1 + np.exp(-np.clip(slope * logits + offset, -500, 500)))
        error, spread = weight * (said - lost), weight * said * (1 - said)
        pull = np.array(
            [(error * logits).sum() + held_by * (slope - 1), error.sum() + held_by * offset]
        )
        bent = spread * logits
        bend = np.array(
            [
                [(bent * logits).sum() + held_by, bent.sum()],
                [bent.sum(), spread.sum() + held_by],
            ]
        )
        step = np.linalg.lstsq(bend, pull, rcond=None)[0]
        longest = np.abs(step).max()
        step = step / max(1.0, longest / _LONGEST_STEP)
        slope, offset = slope - step[0], offset - step[1]
        if longest < _SETTLED:
            break
    return float(slope), float(offset)
