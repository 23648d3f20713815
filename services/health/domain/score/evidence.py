"""What is known about an account when it is judged, and what it is judged beside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from services.health.domain.score.loss_model import LossModel
from services.health.domain.score.percentile import Distribution

NO_NORMAL_YET = "not yet 28 days to know its own normal from, so it counts as normal"
"""The words of a usage ratio while the detector has no normal to compare with and says 1."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A number about the account, when it was true, and what is normal for it, in words."""

    value: float
    at: datetime
    baseline: str = ""


@dataclass(frozen=True, slots=True)
class Signal:
    """A typed observation from outside usage; some types carry a value (a survey answer)."""

    type: str
    at: datetime
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known about an account: observations by input name, and signals."""

    observations: Mapping[str, Observation]
    signals: tuple[Signal, ...] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """What an account is judged beside: its segment's distributions by input, and the model.

    Without a model the expert weights of the profile speak.
    """

    segment: str = ""
    months_to_renewal: float | None = None
    distributions: Mapping[str, Distribution] = field(default_factory=dict)
    model: LossModel | None = None
