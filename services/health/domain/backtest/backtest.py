"""The back-test: replay, split in time, learn from the early part, judge on the late part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np

from services.health.domain.backtest.budget import SURPRISE_LEAD
from services.health.domain.backtest.evaluation import (
    BandRow,
    Evaluation,
    Risk,
    Setting,
    bands,
    difference,
    evaluate,
)
from services.health.domain.backtest.history import Floats, History
from services.health.domain.backtest.panel import (
    Panel,
    Tell,
    Watched,
    expert_weights,
    watch,
)
from services.health.domain.backtest.plan import Plan
from services.health.domain.backtest.samples import Bootstrap, Figure
from services.health.domain.learning.design import Design, evidence_of, months_of, once_each
from services.health.domain.learning.fitting import (
    Learned,
    ModelName,
    Split,
    TooFewOutcomes,
    Trial,
    foresee_unseen,
    learn,
    named,
    require_enough,
    split_by_time,
)
from services.health.domain.profile.profile import Profile
from services.health.domain.score.loss_model import LossModel
from services.health.domain.score.score import Band
from shared.kernel.errors import Invalid

_REPLAYED, _LEARNED, _JUDGED = 0.6, 0.75, 0.95
_LEAST_TEST_LOSSES = 10
_MOSTLY = 0.5


class TooLittleHistory(Invalid):
    """There is too little history to back-test on."""


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """A back-test and, where data allow, the model learned from all resolved renewals."""

    backtest: Backtest
    design: Design
    learned: Learned | None

    def model(self, version: int, trained_at: datetime) -> LossModel | None:
        """Return the model under its name."""
        if self.learned is None:
            return None
        found = self.backtest
        name = ModelName(
            version, found.profile_name, found.profile_version, found.plan.horizon_days, trained_at
        )
        return named(self.learned, self.design, name)


def run_backtest(
    history: History, profile: Profile, plan: Plan, tell: Tell, *, fits_model: bool = False
) -> Outcome:
    """Back-test a profile. ``tell`` hears progress 0 to 1 and what is being done.

    Raises `TooLittleHistory`. With ``fits_model`` a model is learned from all renewals at the end;
    the figures are always of models that saw neither the test's time nor its accounts.
    """
    watched = watch(history, profile, plan, lambda part, what: tell(part * _REPLAYED, what))
    _require_history(watched)
    design = design_of(watched.panel)
    weights = expert_weights(profile)
    shares = np.array([weights[name] for name in design.inputs])
    tell(_REPLAYED, "learning from the early part")
    early = _learn_early(design, shares, plan)
    tell(_LEARNED, "judging on the late part")
    backtest = _Judge(history, profile, plan, watched, design).judge(early, shares)
    learned = None
    if fits_model:
        tell(_JUDGED, "learning from all renewals")
        learned = learn(design, shares, plan.horizon_days)
    tell(1.0, "done")
    return Outcome(backtest, design, learned)


def design_of(panel: Panel) -> Design:
    """Return what a model is fitted to."""
    segments = sorted(set(panel.segment))
    place = {segment: number for number, segment in enumerate(segments)}
    return Design(
        inputs=panel.inputs,
        segments=segments,
        evidence=evidence_of(panel.subscores),
        months=months_of(panel.months),
        segment=np.array([place[segment] for segment in panel.segment], dtype=np.int64),
        is_lost=panel.is_lost,
        weight=once_each(panel.renewal),
        account=panel.account,
        renewal=panel.renewal,
        day=panel.day,
    )


@dataclass(frozen=True, slots=True)
class _Early:
    """What was learned from the early part; without a split everything is judged."""

    split: Split | None
    learned: Learned | None
    expert: Learned | None
    because: str


def _require_history(watched: Watched) -> None:
    renewals, losses = watched.panel.count_renewals()
    if losses < _LEAST_TEST_LOSSES or renewals - losses < _LEAST_TEST_LOSSES:
        raise TooLittleHistory(
            f"{renewals} renewals with {losses} losses could be watched beforehand; a back-test "
            f"needs {_LEAST_TEST_LOSSES} of each kind. Give more outcomes or more history, or a "
            "shorter min_lead_days for contracts of a month"
        )


def _learn_early(design: Design, shares: Floats, plan: Plan) -> _Early:
    from_day = plan.test_from.toordinal() if plan.test_from else None
    split = split_by_time(design, plan.horizon_days, _LEAST_TEST_LOSSES, from_day)
    if split is None:
        return _Early(
            None,
            None,
            None,
            f"history is too short to learn on one side of an embargo of {plan.horizon_days} days "
            f"and judge on the other with {_LEAST_TEST_LOSSES} losses each",
        )
    train = design.take(split.early)
    try:
        require_enough(train)
    except TooFewOutcomes as thin:
        return _Early(None, None, None, f"before the embargo there are {thin.detail}")
    return _Early(
        split,
        learn(train, shares, plan.horizon_days),
        learn(train, shares, plan.horizon_days, (np.inf,)),
        "",
    )


class _Judge:
    """Evaluates on the late part what was learned from the early one."""

    def __init__(
        self, history: History, profile: Profile, plan: Plan, watched: Watched, design: Design
    ) -> None:
        self._history, self._profile, self._plan = history, profile, plan
        self._watched, self._design = watched, design

    def judge(self, early: _Early, shares: Floats) -> Backtest:
        """Return the whole back-test."""
        setting = self._setting(early)
        expert, model = self._risks(setting.panel, early, shares)
        return Backtest(
            profile_name=self._profile.name,
            profile_version=self._profile.version,
            plan=self._plan,
            data=self._data(),
            halves=self._halves(setting.panel, early.split),
            bands=bands(setting.panel),
            expert=evaluate(setting, expert),
            model=evaluate(setting, model) if model else None,
            gain=difference(setting, model.order, expert.order) if model else None,
            learning=self._learning(early.learned, shares) if early.learned else None,
            no_model_because=early.because,
            warnings=self._warnings(setting.panel),
        )

    def _setting(self, early: _Early) -> Setting:
        panel = self._watched.panel
        test = panel.take(early.split.late) if early.split else panel
        renewals = self._history.renewals
        notice = [renewals[position].notice_on for position in test.renewal]
        plan = self._plan
        return Setting(
            panel=test,
            plan=plan,
            bootstrap=Bootstrap(len(self._history.accounts), plan.replicates, plan.seed),
            notice=np.array([day.toordinal() if day else 0 for day in notice], dtype=np.int64),
            unseen_lost=self._unseen_lost(early.split),
        )

    def _unseen_lost(self, split: Split | None) -> int:
        """Return lost renewals with nothing known at the landmark surprises are judged on."""
        found = set()
        for position, landmark in self._watched.unseen:
            renewal = self._history.renewals[position]
            lead = (renewal.day - landmark).days
            is_there = SURPRISE_LEAD <= lead < SURPRISE_LEAD + self._plan.step_days
            is_test = split is None or landmark.toordinal() >= split.from_day
            if renewal.is_lost and is_there and is_test:
                found.add(position)
        return len(found)

    def _risks(self, test: Panel, early: _Early, shares: Floats) -> tuple[Risk, Risk | None]:
        by_score = 100 - test.score
        if early.split is None or early.learned is None or early.expert is None:
            return Risk("expert weights", by_score, None), None
        train = self._design.take(early.split.early)
        late = self._design.take(early.split.late)
        chances = [
            one.probabilities(foresee_unseen(train, late, shares, one))
            for one in (early.expert, early.learned)
        ]
        return (
            Risk("expert weights", by_score, chances[0]),
            Risk("fitted model", chances[1], chances[1]),
        )

    def _data(self) -> Data:
        panel, history = self._watched.panel, self._history
        seen = np.abs(panel.subscores - 0.5).max(axis=0) > 0
        share = (panel.subscores != 0.5).mean(axis=0)
        return Data(
            accounts=len(np.unique(panel.account)),
            renewals=panel.count_renewals()[0],
            losses=panel.count_renewals()[1],
            landmarks=len(np.unique(panel.day)),
            entries=len(panel),
            unseen=len(self._watched.unseen),
            first_landmark=date.fromordinal(int(panel.day.min())),
            last_landmark=date.fromordinal(int(panel.day.max())),
            usage_entries=len(history.usage),
            signals=sum(len(each) for each in history.signals.values()),
            names_users=history.names_users,
            inputs_seen={
                name: float(share[place]) if seen[place] else 0.0
                for place, name in enumerate(panel.inputs)
            },
        )

    def _halves(self, test: Panel, split: Split | None) -> Halves:
        renewals, losses = test.count_renewals()
        train = self._watched.panel.take(split.early) if split else None
        trained = train.count_renewals() if train else (0, 0)
        return Halves(
            test_from=date.fromordinal(int(test.day.min())),
            test_until=date.fromordinal(int(test.day.max())),
            test_renewals=renewals,
            test_losses=losses,
            train_until=date.fromordinal(int(train.day.max())) if train else None,
            train_renewals=trained[0],
            train_losses=trained[1],
            embargo_days=self._plan.horizon_days,
        )

    def _learning(self, learned: Learned, shares: Floats) -> Learning:
        betas = zip(
            self._design.inputs, shares, learned.expert.betas, learned.fit.betas, strict=True
        )
        return Learning(
            pull=None if np.isinf(learned.pull) else learned.pull,
            renewals=learned.renewals,
            losses=learned.losses,
            validated_on=learned.validated_on,
            trials=[
                replace(trial, pull=trial.pull if np.isfinite(trial.pull) else -1.0)
                for trial in learned.trials
            ],
            weights=[Weights(n, float(s), float(e), float(m)) for n, s, e, m in betas],
            month_slope=learned.fit.month_slope,
            calibration="isotonic" if learned.calibration.knots else "logistic",
        )

    def _warnings(self, test: Panel) -> Sequence[str]:
        unknown = sum(band == Band.UNKNOWN.value for band in test.band) / max(1, len(test))
        blind = [name for name, share in self._data().inputs_seen.items() if share == 0]
        found = []
        if unknown > _MOSTLY:
            found.append(
                f"{unknown:.0%} of the account-landmarks are in the band unknown: the profile "
                "listens to more than this history holds"
            )
        if blind:
            found.append(f"never observed in this history, and neutral: {', '.join(blind)}")
        if not self._history.names_users:
            found.append("usage names no users: active users were not observed")
        return found
