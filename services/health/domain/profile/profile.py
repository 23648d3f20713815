"""A health profile: the versioned configuration that decides how an account is judged."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum, StrEnum

from services.health.domain.profile.metrics import Metric
from services.health.domain.profile.selection import EVERYONE, AppliesTo


class Severity(IntEnum):
    """How bad a risk is; ordered, so that worse compares as greater."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class Decay(StrEnum):
    """How the weight of a signal fades with its age."""

    HALF_LIFE = "half_life"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Tiers:
    """Points for a value: 0 is bad, 1 is healthy, always.

    Steps hold from their value to the next; a curve is a straight line between its values.
    Values outside the table take the nearest end.
    """

    values: tuple[float, ...]
    points: tuple[float, ...]
    is_curve: bool

    def subscore(self, value: float) -> float:
        """Return the points for a value."""
        above = bisect_right(self.values, value)
        if above == 0:
            return self.points[0]
        if not self.is_curve or above == len(self.values):
            return self.points[above - 1]
        low, high = self.values[above - 1], self.values[above]
        share = (value - low) / (high - low)
        return self.points[above - 1] + share * (self.points[above] - self.points[above - 1])


@dataclass(frozen=True, slots=True)
class PercentileRule:
    """Judge a value by its rank among similar accounts: same segment, seen within the window.

    With fewer than `min_accounts` of them the rank says nothing, and the tiers speak instead.
    """

    higher_is_healthy: bool
    window: timedelta
    min_accounts: int


@dataclass(frozen=True, slots=True)
class Input:
    """One number or signal that a dimension listens to.

    With `signals` the latest signal of these types speaks: by its fixed subscore, or by its value
    and the tiers where the subscore is None. With `count_window` the tiers judge how many of these
    signals came within it, instead. Without signals, an observation of this name speaks.
    With `percentile` a value is judged by its rank first, and by the tiers where that fails.
    """

    name: str
    weight: float
    half_life_days: float | None
    tiers: Tiers | None
    signals: Mapping[str, float | None]
    percentile: PercentileRule | None = None
    count_window: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Dimension:
    """A side of health, and its weight among the others."""

    name: str
    weight: float
    inputs: tuple[Input, ...]


@dataclass(frozen=True, slots=True)
class Bands:
    """Edges of the bands in points, and how far past its edge a band is left."""

    at_risk_below: float
    watch_below: float
    leave_margin: float


@dataclass(frozen=True, slots=True)
class SignalRule:
    """A fast rule: this many signals of a type within the window open a risk.

    `closed_by` names the signal types that end it. The half-life says how long the signal counts.
    `also` names types that count like `signal`; `worse_at` are counts in the window from which it
    is more severe; an empty `next_step` leaves what to do to the catalogue.
    """

    signal: str
    reason: str
    title: str
    severity: Severity
    count: int
    window: timedelta
    cool_down: timedelta
    decay: Decay
    half_life_days: float | None
    closed_by: tuple[str, ...]
    also: tuple[str, ...] = ()
    worse_at: tuple[tuple[int, Severity], ...] = ()
    next_step: str = ""

    @property
    def signals(self) -> tuple[str, ...]:
        """Return every type that counts."""
        return (self.signal, *self.also)


@dataclass(frozen=True, slots=True)
class SilenceRule:
    """Silence of an account that used to come: active on this share of its working days."""

    days: int
    habit_share: float
    habit_working_days: int
    severity: Severity
    cool_down: timedelta


@dataclass(frozen=True, slots=True)
class DropRule:
    """When a drop found by the detector is a risk, and when it is over.

    Under `min_events_a_week` the account has too little usage to monitor. Recovered means
    probability under `exit_probability` and ratio over `exit_ratio`. `alarm_probability` is p*
    until history is long enough to choose it by the alert budget, which all watched metrics share.
    """

    alarm_probability: float
    min_events_a_week: float
    exit_probability: float
    exit_ratio: float
    cool_down: timedelta
    alerts_per_100_a_month: float


@dataclass(frozen=True, slots=True)
class DipRule:
    """Seven days against the seven before: for the watch list only. Changes are shares.

    A change of less than `min_standard_errors` of two Poisson counts is chance.
    """

    change: float
    exit_change: float
    min_events: float
    min_standard_errors: float
    cool_down: timedelta


@dataclass(frozen=True, slots=True)
class LowScoreRule:
    """An at-risk score counts when it is seen in this many windows."""

    confirmations: int
    window: timedelta
    severity: Severity
    cool_down: timedelta


@dataclass(frozen=True, slots=True)
class UsageMilestone:
    """A milestone reached when this many users have done the event."""

    name: str
    event: str
    users: int


@dataclass(frozen=True, slots=True)
class Profile:
    """All of the above under a name and a version; every decision names both."""

    name: str
    version: int
    coverage_floor: float
    bands: Bands
    metrics: tuple[Metric, ...]
    dimensions: tuple[Dimension, ...]
    signal_rules: tuple[SignalRule, ...]
    silence: SilenceRule
    drop: DropRule
    dip: DipRule
    low_score: LowScoreRule
    milestones: tuple[UsageMilestone, ...]
    applies_to: AppliesTo = EVERYONE

    @property
    def label(self) -> str:
        """Name and version, as every decision names it."""
        return f"{self.name}@{self.version}"

    def ranked(self) -> dict[str, int]:
        """Return the inputs that are judged by rank, each with the days of its window."""
        return {
            one.name: one.percentile.window.days
            for dimension in self.dimensions
            for one in dimension.inputs
            if one.percentile is not None
        }

    def title(self, reason: str) -> str | None:
        """Return what a reason of a fast rule is called in a headline."""
        return next((rule.title for rule in self.signal_rules if rule.reason == reason), None)
