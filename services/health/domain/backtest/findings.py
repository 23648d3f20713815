"""What a back-test found, as it is stored and shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from services.health.domain.backtest.evaluation import BandRow, Evaluation
from services.health.domain.backtest.plan import Plan
from services.health.domain.backtest.samples import Figure
from services.health.domain.learning.fitting import Trial


@dataclass(frozen=True, slots=True)
class Data:
    """What the back-test ran on. ``unseen`` account-landmarks had no usage or signal yet."""

    accounts: int
    renewals: int
    losses: int
    landmarks: int
    entries: int
    unseen: int
    first_landmark: date
    last_landmark: date
    usage_entries: int
    signals: int
    names_users: bool
    inputs_seen: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Halves:
    """The time split: None for the training part means nothing was learned."""

    test_from: date
    test_until: date
    test_renewals: int
    test_losses: int
    train_until: date | None
    train_renewals: int
    train_losses: int
    embargo_days: int


@dataclass(frozen=True, slots=True)
class Weights:
    """What an input counts for: to the expert, and to the model, in log-odds from best to worst."""

    input: str
    share: float
    expert: float
    model: float


@dataclass(frozen=True, slots=True)
class Learning:
    """How the model came about."""

    pull: float | None
    renewals: int
    losses: int
    validated_on: int
    trials: Sequence[Trial]
    weights: Sequence[Weights]
    month_slope: float
    calibration: str


@dataclass(frozen=True, slots=True)
class Backtest:
    """Everything a back-test found. ``model`` is None where data are too thin for one.

    ``gain`` is the AUC the model has over the expert's score on the same entries.
    """

    profile_name: str
    profile_version: int
    plan: Plan
    data: Data
    halves: Halves
    bands: Sequence[BandRow]
    expert: Evaluation
    model: Evaluation | None
    gain: Figure | None
    learning: Learning | None
    no_model_because: str
    warnings: Sequence[str]
