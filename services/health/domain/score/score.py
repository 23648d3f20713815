"""The health score: 0 to 100, high is healthy, explained exactly.

Formulas: "Health, drops, value", health score points 1 to 4 and 6.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from services.health.domain.profile.profile import Dimension, Input, Profile
from services.health.domain.score.evidence import Context, Evidence, Observation, Signal
from services.health.domain.score.loss_model import NEUTRAL, LossModel, allocate
from services.health.domain.score.percentile import Distribution, Peers
from services.health.domain.score.reading import normal_range, read
from services.health.domain.score.unit import Unit, units_of

__all__ = [
    "Band",
    "Context",
    "Evidence",
    "Line",
    "ModelUse",
    "Observation",
    "Score",
    "Signal",
    "band_after",
    "score_account",
]

COVERAGE_MARGIN = 0.02
"""How far past the floor coverage must be before an unknown band is left."""


class Band(StrEnum):
    """What a score means to people."""

    AT_RISK = "at_risk"
    WATCH = "watch"
    HEALTHY = "healthy"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Line:
    """What one input adds to the score.

    `subscore` is after recency, 0..1; `weight` is the share of the whole, 0..1; `points` are of
    100. `max_points - points` is what the input would add if it were as good as can be. Not
    observed means neutral, and no say in the coverage. `signal` is the type of the signal that
    spoke; `accepts` names the signals that would fill a missing input. `log_odds` is what a model
    adds for it to the log-odds of a loss.
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
    signal: str | None = None
    normal: str = ""
    peers: Peers | None = None
    accepts: tuple[str, ...] = ()
    half_life_days: float | None = None
    log_odds: float | None = None

    @property
    def name(self) -> str:
        """Return the name that models know the input by."""
        return f"{self.dimension}.{self.metric}"

    @property
    def word(self) -> float:
        """The subscore before recency; neutral where nothing speaks."""
        return NEUTRAL + (self.subscore - NEUTRAL) / self.freshness if self.freshness else NEUTRAL

    @property
    def is_share(self) -> bool:
        """Tell whether the value is said in percent, as what is normal is."""
        return "%" in self.normal


@dataclass(frozen=True, slots=True)
class ModelUse:
    """The model that spoke, in figures that explain and compare its scores.

    ``slope`` is the change of probability per unit of logit at the score; ``months`` is to the
    renewal, as the model took it.
    """

    version: int
    horizon_days: int
    trained_on: int
    losses: int
    months: float
    base_logit: float
    logit: float
    slope: float


@dataclass(frozen=True, slots=True)
class Score:
    """A score and its exact explanation: `value` is `base` plus the points of its lines.

    Nothing is rounded here; doors round what people see. `coverage` is 0..1. With expert weights
    `base` is 0 and there is no `p_loss`; with a model `base` is the score of neutral inputs.
    """

    value: float
    coverage: float
    lines: tuple[Line, ...]
    profile_name: str
    profile_version: int
    base: float = 0.0
    segment: str = ""
    p_loss: float | None = None
    model: ModelUse | None = None


def score_account(
    profile: Profile, evidence: Evidence, now: datetime, context: Context | None = None
) -> Score:
    """Score an account by a profile. Signals and observations after `now` count as of now."""
    context = context or Context()
    total = math.fsum(dimension.weight for dimension in profile.dimensions)
    reader = _Reader(evidence, now, context.distributions, units_of(profile.metrics))
    lines = tuple(
        line
        for dimension in profile.dimensions
        for line in reader.lines(dimension, dimension.weight / total)
    )
    score = Score(
        value=math.fsum(line.points for line in lines),
        coverage=math.fsum(line.weight * line.freshness for line in lines),
        lines=lines,
        profile_name=profile.name,
        profile_version=profile.version,
        segment=context.segment,
    )
    speaks = context.model is not None and _knows(context.model, profile)
    return _by_model(score, context.model, context) if context.model and speaks else score


def band_after(previous: Band | None, score: float, coverage: float, profile: Profile) -> Band:
    """Return the band of a score, given the band before.

    A band is left only `leave_margin` points past its edge. Below the coverage floor the band is
    unknown, whatever the score; it is left a little above the floor, and what comes after unknown
    has no habit to keep. After a change of profile the new edges count, the habit stays.
    """
    margin = COVERAGE_MARGIN if previous is Band.UNKNOWN else 0.0
    if coverage < profile.coverage_floor + margin:
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


def _knows(model: LossModel, profile: Profile) -> bool:
    return (model.profile_name, model.profile_version) == (profile.name, profile.version)


def _by_model(score: Score, model: LossModel, context: Context) -> Score:
    subscores = {line.name: line.subscore for line in score.lines}
    found = allocate(model, subscores, context.segment, context.months_to_renewal)
    base_logit = model.base_logit(context.segment, context.months_to_renewal)
    logit = math.fsum([base_logit, *found.logits.values()])
    use = ModelUse(
        version=model.version,
        horizon_days=model.horizon_days,
        trained_on=model.trained_on,
        losses=model.losses,
        months=model.months(context.months_to_renewal),
        base_logit=base_logit,
        logit=logit,
        slope=model.calibration.mean_slope(logit, logit),
    )

    def told(line: Line) -> Line:
        best = logit - model.betas.get(line.name, 0.0) * (1 - line.subscore)
        gain = 100 * (found.probability - model.calibration.probability(best))
        points = found.points[line.name]
        return replace(
            line,
            points=points,
            max_points=points + max(gain, 0.0),
            log_odds=found.logits[line.name],
        )

    return replace(
        score,
        value=100 * (1 - found.probability),
        lines=tuple(told(line) for line in score.lines),
        base=found.base,
        p_loss=found.probability,
        model=use,
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads inputs off the evidence."""

    evidence: Evidence
    now: datetime
    distributions: Mapping[str, Distribution]
    units: Mapping[str, Unit]

    def lines(self, dimension: Dimension, share: float) -> Iterable[Line]:
        total = math.fsum(one.weight for one in dimension.inputs)
        for one in dimension.inputs:
            yield self._line(dimension.name, one, share * one.weight / total)

    def _line(self, dimension: str, one: Input, weight: float) -> Line:
        reading = read(one, self.evidence, self.now, self.distributions)
        age = None if reading is None else max((self.now - reading.at) / timedelta(days=1), 0.0)
        speaks = reading is not None and reading.speaks
        freshness = _freshness(age, one.half_life_days) if age is not None and speaks else 0.0
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
            signal=None if reading is None else reading.signal,
            normal="" if one.tiers is None else normal_range(one.tiers, self._unit(one)),
            peers=None if reading is None else reading.peers,
            accepts=tuple(sorted(one.signals)) if reading is None else (),
            half_life_days=one.half_life_days,
        )

    def _unit(self, one: Input) -> Unit:
        return self.units.get(one.name, Unit.NUMBER)


def _freshness(age_days: float, half_life_days: float | None) -> float:
    return 1.0 if half_life_days is None else 2.0 ** (-age_days / half_life_days)
