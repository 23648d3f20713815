"""The back-test: replay, split in time, learn from the early part, judge on the late part."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from services.health.domain.backtest.findings import Backtest
from services.health.domain.backtest.history import Floats, History
from services.health.domain.backtest.judging import Early, Judge
from services.health.domain.backtest.panel import Panel, Tell, Watched, expert_weights, watch
from services.health.domain.backtest.plan import Plan
from services.health.domain.learning.design import Design, evidence_of, months_of, once_each
from services.health.domain.learning.fitting import (
    Learned,
    ModelName,
    TooFewOutcomes,
    learn,
    named,
    require_enough,
    split_by_time,
)
from services.health.domain.profile.profile import Profile
from services.health.domain.score.loss_model import LossModel
from shared.kernel.errors import Invalid

_REPLAYED, _LEARNED, _JUDGED = 0.6, 0.75, 0.95
_LEAST_TEST_LOSSES = 10


class SplitDayInvalid(Invalid):
    """The first day to judge on leaves too little to learn from, or to judge."""


class TooLittleHistory(Invalid):
    """There is too little history to back-test on."""


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
    _require_history(history, watched)
    design = design_of(watched.panel)
    weights = expert_weights(profile)
    shares = np.array([weights[name] for name in design.inputs])
    tell(_REPLAYED, "learning from the early part")
    early = _learn_early(design, shares, plan)
    tell(_LEARNED, "judging on the late part")
    backtest = Judge(history, profile, plan, watched, design).judge(early, shares)
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


def _require_history(history: History, watched: Watched) -> None:
    renewals, losses = watched.panel.count_renewals()
    if losses < _LEAST_TEST_LOSSES or renewals - losses < _LEAST_TEST_LOSSES:
        raise TooLittleHistory(
            f"{renewals} renewals with {losses} losses could be watched beforehand; a back-test "
            f"needs {_LEAST_TEST_LOSSES} of each kind. {_what_to_give(history)}"
        )


def _what_to_give(history: History) -> str:
    lost = {renewal.is_lost for renewal in history.renewals}
    if len(lost) == 1:
        return f"Every outcome says lost = {int(lost.pop())}: give those of the other kind as well"
    due = [renewal.account for renewal in history.renewals]
    if not np.isin(due, history.usage.account).any():
        return (
            "None of the accounts with outcomes has usage: write the same account_id in outcomes "
            "and usage"
        )
    return "Give more outcomes or more history, or a shorter min_lead_days for contracts of a month"


def _learn_early(design: Design, shares: Floats, plan: Plan) -> Early:
    from_day = plan.test_from.toordinal() if plan.test_from else None
    split = split_by_time(design, plan.horizon_days, _LEAST_TEST_LOSSES, from_day)
    if split is None and plan.test_from is not None:
        raise SplitDayInvalid(
            f"test_from: on one side of {plan.test_from} and an embargo of {plan.horizon_days} "
            f"days there are fewer than {_LEAST_TEST_LOSSES} losses; choose another day, or leave "
            "it out to have one chosen"
        )
    if split is None:
        return Early(
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
        return Early(None, None, None, f"before the embargo there are {thin.detail}")
    return Early(
        split,
        learn(train, shares, plan.horizon_days),
        learn(train, shares, plan.horizon_days, (np.inf,)),
        "",
    )
