"""Learn a model of loss from resolved renewals, validated on later time and on other accounts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from services.health.domain.learning.calibrating import calibrate, platt_of, probabilities
from services.health.domain.learning.design import Bools, Design, Floats
from services.health.domain.learning.shrinkage import Fit, expert_fit, shrunk_fit
from services.health.domain.score.loss_model import Calibration, LossModel
from shared.kernel.errors import Invalid

LEAST_RENEWALS = 100
LEAST_LOSSES = 30
PULLS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, math.inf)
_CAREFUL_PULL = 300.0
_LEAST_LOSSES_A_SIDE = 10
_FOLDS = 3
UNSEEN_FOLDS = 5


class TooFewOutcomes(Invalid):
    """There are too few resolved renewals to learn from; expert weights stay in force."""


@dataclass(frozen=True, slots=True)
class Split:
    """Two sides of time: what is learned from ends an embargo before what is judged begins.

    ``from_day`` is the ordinal of the first landmark of the later side.
    """

    from_day: int
    early: Bools
    late: Bools


@dataclass(frozen=True, slots=True)
class Trial:
    """How well one strength of the pull to the expert weights did on later data."""

    pull: float
    log_loss: float
    more_than_best: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Learned:
    """A model, how it was chosen, and on how many renewals that was validated (0: it was not)."""

    fit: Fit
    expert: Fit
    pull: float
    calibration: Calibration
    renewals: int
    losses: int
    validated_on: int
    trials: Sequence[Trial]

    def probabilities(self, logits: Floats) -> Floats:
        """Return calibrated probabilities."""
        return probabilities(self.calibration, logits)


@dataclass(frozen=True, slots=True)
class ModelName:
    """What a model is of, and when it was made."""

    version: int
    profile_name: str
    profile_version: int
    horizon_days: int
    trained_at: datetime


def require_enough(design: Design) -> None:
    """Raise `TooFewOutcomes` where a model would learn chance."""
    renewals, losses = design.count_renewals()
    if renewals < LEAST_RENEWALS or losses < LEAST_LOSSES or losses == renewals:
        raise TooFewOutcomes(
            f"{renewals} resolved renewals with {losses} losses: a model needs at least "
            f"{LEAST_RENEWALS} and {LEAST_LOSSES}, and some that were kept; "
            "expert weights stay in force"
        )


def split_by_time(
    design: Design, embargo_days: int, least_losses: int, from_day: int | None = None
) -> Split | None:
    """Split where the smaller side has the most losses; None when a side has too few.

    What is learned from is split once more to choose and calibrate: its losses count half.

    Landmarks of the early side end at least the embargo before the late side begins, so that
    every outcome learned from was known by then, and no renewal is on both sides.
    """
    days = np.unique(design.day) if from_day is None else np.array([from_day])
    best, most = None, 0.0
    for day in days:
        early, late = design.day + embargo_days <= day, design.day >= day
        before, after = _losses(design, early), _losses(design, late)
        if min(before, after) >= least_losses and min(before / 2, after) > most:
            best, most = Split(int(day), early, late), min(before / 2, after)
    return best


def learn(
    design: Design, weights: Floats, embargo_days: int, pulls: Sequence[float] = PULLS
) -> Learned:
    """Return the calibrated model. ``weights`` are the expert's shares. Raises `TooFewOutcomes`.

    The pull is the strongest whose loss on later data, for accounts it has not seen, is within
    one standard error of the best: what data do not clearly say, the experts do.
    """
    require_enough(design)
    expert = expert_fit(design, weights)
    split = split_by_time(design, embargo_days, _LEAST_LOSSES_A_SIDE)
    if split is None:
        pull = pulls[0] if len(pulls) == 1 else _CAREFUL_PULL
        fit = shrunk_fit(design, expert, pull)
        return Learned(fit, expert, pull, Calibration(), *design.count_renewals(), 0, ())
    early, late = design.take(split.early), design.take(split.late)
    foreseen = {pull: _foresee(early, late, weights, pull) for pull in pulls}
    trials = _try(late, foreseen)
    pull = max(trial.pull for trial in trials if trial.more_than_best <= trial.standard_error)
    calibration = calibrate(foreseen[pull], late.is_lost, late.weight, late.account)
    fit = shrunk_fit(design, expert, pull)
    # The calibration was seen on the level of log-odds of the earlier fit: keep that level.
    shift = float(late.weight @ (foreseen[pull] - fit.logits(late)) / late.weight.sum())
    levelled = replace(fit, intercept=fit.intercept + shift)
    validated = late.count_renewals()[0]
    return Learned(levelled, expert, pull, calibration, *design.count_renewals(), validated, trials)


def foresee_unseen(train: Design, test: Design, weights: Floats, learned: Learned) -> Floats:
    """Return log-odds of test entries by models that saw neither their time nor their account."""
    shift = learned.fit.intercept - shrunk_fit(train, learned.expert, learned.pull).intercept
    logits = _foresee(train, test, weights, learned.pull, UNSEEN_FOLDS)
    found: Floats = logits + shift
    return found


def named(learned: Learned, design: Design, name: ModelName) -> LossModel:
    """Return what was learned as a model that scores accounts."""
    fit = learned.fit
    own = {
        segment: fit.intercept + float(off)
        for segment, off in zip(design.segments, fit.segments, strict=True)
        if segment
    }
    return LossModel(
        version=name.version,
        profile_name=name.profile_name,
        profile_version=name.profile_version,
        horizon_days=name.horizon_days,
        intercepts={"": fit.intercept, **own},
        month_slope=fit.month_slope,
        betas={key: float(beta) for key, beta in zip(design.inputs, fit.betas, strict=True)},
        calibration=learned.calibration,
        trained_on=learned.renewals,
        losses=learned.losses,
        trained_at=name.trained_at,
    )


def _foresee(
    early: Design, late: Design, weights: Floats, pull: float, folds: int = _FOLDS
) -> Floats:
    logits = np.zeros(len(late))
    for fold in range(folds):
        others = early.take(early.account % folds != fold)
        if not others.is_lost.any() or others.is_lost.all():
            others = early
        mine = late.account % folds == fold
        fit = shrunk_fit(others, expert_fit(others, weights), pull)
        logits[mine] = fit.logits(late.take(mine))
    return logits


def _try(late: Design, foreseen: dict[float, Floats]) -> Sequence[Trial]:
    losses = {pull: _each_loss(late, logits) for pull, logits in foreseen.items()}
    total = late.weight.sum()
    means = {pull: float(late.weight @ each / total) for pull, each in losses.items()}
    best = min(means, key=lambda pull: means[pull])
    return [
        Trial(
            pull,
            means[pull],
            means[pull] - means[best],
            _error_by_account(late, losses[pull] - losses[best]),
        )
        for pull in foreseen
    ]


def _each_loss(late: Design, logits: Floats) -> Floats:
    # Levels move between the two sides for all alike; what is compared is what is left.
    sure = probabilities(platt_of(logits, late.is_lost, late.weight), logits)
    sure = np.clip(sure, 1e-9, 1 - 1e-9)
    each: Floats = -np.where(late.is_lost, np.log(sure), np.log1p(-sure))
    return each


def _error_by_account(late: Design, difference: Floats) -> float:
    off = late.weight * (difference - late.weight @ difference / late.weight.sum())
    by_account = np.bincount(late.account, weights=off)
    return float(np.sqrt(by_account @ by_account) / late.weight.sum())


def _losses(design: Design, side: Bools) -> int:
    return len(np.unique(design.renewal[side & design.is_lost]))
