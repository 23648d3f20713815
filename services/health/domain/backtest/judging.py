"""Judge on the late part what was learned from the early one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from services.health.domain.backtest.budget import SURPRISE_LEAD
from services.health.domain.backtest.evaluation import Risk, Setting, bands, difference, evaluate
from services.health.domain.backtest.findings import Backtest, Data, Halves, Learning, Weights
from services.health.domain.backtest.history import Floats, History
from services.health.domain.backtest.panel import Panel, Watched
from services.health.domain.backtest.plan import Plan
from services.health.domain.backtest.samples import Bootstrap
from services.health.domain.learning.design import Design
from services.health.domain.learning.fitting import Learned, Split, foresee_unseen
from services.health.domain.profile.profile import Profile
from services.health.domain.score.score import Band

_MOSTLY = 0.5


@dataclass(frozen=True, slots=True)
class Early:
    """What was learned from the early part; without a split everything is judged."""

    split: Split | None
    learned: Learned | None
    expert: Learned | None
    because: str


class Judge:
    """Evaluates on the late part what was learned from the early one."""

    def __init__(
        self, history: History, profile: Profile, plan: Plan, watched: Watched, design: Design
    ) -> None:
        self._history, self._profile, self._plan = history, profile, plan
        self._watched, self._design = watched, design

    def judge(self, early: Early, shares: Floats) -> Backtest:
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

    def _setting(self, early: Early) -> Setting:
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

    def _risks(self, test: Panel, early: Early, shares: Floats) -> tuple[Risk, Risk | None]:
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
