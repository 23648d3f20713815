"""From a logit to a probability that can be trusted: on later data than the fit.

Formula: "Health, drops, value", health score point 5.
"""

import numpy as np
from numpy.typing import NDArray

from services.health.domain.backtest.metrics import line_through, log_loss
from services.health.domain.score.loss_model import Calibration

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
ISOTONIC_FROM = 1_000
_HELD_BY = 5.0
_MOST_BLOCKS = 20
_FOLDS = 2


def calibrate(logits: Floats, lost: Bools, weight: Floats, account: Ints) -> Calibration:
    """Return the calibration of log-odds seen on data the model was not fitted to.

    Logistic; isotonic only past 1,000 resolved renewals (the sum of the weights), and only where
    it is better on accounts it has not seen.
    """
    platt = platt_of(logits, lost, weight)
    if weight.sum() <= ISOTONIC_FROM:
        return platt
    half = account % _FOLDS
    straight = crooked = 0.0
    for fold in range(_FOLDS):
        seen, unseen = half != fold, half == fold
        if not lost[seen].any() or not unseen.any():
            return platt
        arguments = (logits[seen], lost[seen], weight[seen])
        straight += _loss(platt_of(*arguments), logits[unseen], lost[unseen], weight[unseen])
        crooked += _loss(isotonic_of(*arguments), logits[unseen], lost[unseen], weight[unseen])
    return isotonic_of(logits, lost, weight) if crooked < straight else platt


def platt_of(logits: Floats, lost: Bools, weight: Floats) -> Calibration:
    """Return the logistic calibration, held near none at all by five imaginary observations."""
    slope, offset = line_through(logits, lost, weight, held_by=_HELD_BY)
    return Calibration(max(slope, 0.0), offset)


def isotonic_of(logits: Floats, lost: Bools, weight: Floats) -> Calibration:
    """Return the isotonic calibration: pool adjacent violators, a knot in each block's middle.

    A block holds at least a twentieth of all renewals, and none says 0 or 1: two imaginary
    renewals at the base rate stand in each.
    """
    rate = float(weight @ lost / weight.sum())
    least = weight.sum() / _MOST_BLOCKS
    order = np.argsort(logits, kind="stable")
    blocks: list[tuple[float, float, float]] = []  # weight, lost, sum of logits
    for position in order:
        heavy = float(weight[position])
        blocks.append((heavy, heavy * float(lost[position]), heavy * float(logits[position])))
        while len(blocks) > 1 and _must_pool(blocks[-2], blocks[-1], least):
            last, before = blocks.pop(), blocks.pop()
            blocks.append((before[0] + last[0], before[1] + last[1], before[2] + last[2]))
    if len(blocks) > 1 and blocks[-1][0] < least:
        last, before = blocks.pop(), blocks.pop()
        blocks.append((before[0] + last[0], before[1] + last[1], before[2] + last[2]))
    knots = tuple((total / w, (hits + 2 * rate) / (w + 2)) for w, hits, total in blocks)
    return Calibration(knots=_rising(knots)) if len(knots) > 1 else platt_of(logits, lost, weight)


def probabilities(calibration: Calibration, logits: Floats) -> Floats:
    """Return calibrated probabilities of many log-odds."""
    if calibration.knots:
        x, y = np.array(calibration.knots).T
        between: Floats = np.interp(logits, x, y)
        return between
    line = calibration.slope * logits + calibration.offset
    found: Floats = 1 / (1 + np.exp(-np.clip(line, -500, 500)))
    return found


def _must_pool(
    before: tuple[float, float, float], last: tuple[float, float, float], least: float
) -> bool:
    falls = before[1] / before[0] >= last[1] / last[0]
    return before[0] < least or (falls and last[0] >= least)


def _rising(knots: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    kept = [knots[0]]
    for x, y in knots[1:]:
        if x > kept[-1][0] and y > kept[-1][1]:
            kept.append((x, y))
    return tuple(kept)


def _loss(calibration: Calibration, logits: Floats, lost: Bools, weight: Floats) -> float:
    return log_loss(probabilities(calibration, logits), lost, weight)
