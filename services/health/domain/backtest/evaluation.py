"""How a risk did on the test part: every figure of the report, for one way of scoring."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from services.health.domain.backtest import budget as at_budget
from services.health.domain.backtest import metrics
from services.health.domain.backtest.budget import LeadTime, Money, Surprises, sample_of
from services.health.domain.backtest.history import Floats, Ints
from services.health.domain.backtest.panel import Panel
from services.health.domain.backtest.plan import Plan
from services.health.domain.backtest.samples import Bools, Bootstrap, Figure, Sample, lost_share
from services.health.domain.score.score import Band

_BINS = 10


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well a risk ranks on some entries, and what the budget finds there."""

    name: str
    entries: int
    auc: Figure
    pr_auc: Figure
    base_rate: Figure
    precision: Figure
    recall: Figure


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Entries of about the same probability: what was said, and what came."""

    entries: int
    said: float
    lost: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Truth:
    """How far a probability can be believed."""

    brier: Figure
    brier_skill: Figure
    slope: Figure
    offset: Figure
    table: Sequence[CalibrationBin]


@dataclass(frozen=True, slots=True)
class BandRow:
    """A band of the score and how many of its account-landmarks ended in a loss."""

    band: str
    entries: int
    share: float
    lost: Figure


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One way of scoring, judged on the test part."""

    name: str
    overall: Ranking
    by_lead: Sequence[Ranking]
    by_month: Sequence[Ranking]
    by_segment: Sequence[Ranking]
    lead_time: LeadTime
    surprises: Surprises
    money: Sequence[Money]
    truth: Truth | None


@dataclass(frozen=True, slots=True)
class Risk:
    """A risk per entry of a panel, and the probability it stands for, if it has one."""

    name: str
    order: Floats
    probability: Floats | None


@dataclass(frozen=True, slots=True)
class Setting:
    """What all evaluations of one test part share."""

    panel: Panel
    plan: Plan
    bootstrap: Bootstrap
    notice: Ints
    unseen_lost: int


def evaluate(setting: Setting, risk: Risk) -> Evaluation:
    """Return every figure of one way of scoring."""
    panel, plan = setting.panel, setting.plan
    flags = at_budget.flag(panel, risk.order, plan.budget, plan.seed)
    parts = _Parts(setting, risk.order, flags)
    worth = risk.order if risk.probability is None else risk.probability
    return Evaluation(
        name=risk.name,
        overall=parts.ranking("all", np.ones(len(panel), dtype=np.bool_)),
        by_lead=[
            parts.ranking(f"{lead} days", at_budget.at_lead(panel, lead, plan.step_days))
            for lead in plan.leads()
        ],
        by_month=[parts.ranking(month, mask) for month, mask in _months(panel)],
        by_segment=[parts.ranking(segment or "(none)", mask) for segment, mask in _segments(panel)],
        lead_time=at_budget.lead_time(panel, flags, setting.notice, setting.bootstrap),
        surprises=at_budget.surprises(
            panel,
            flags,
            plan.step_days,
            setting.unseen_lost,
            is_in_reach=at_budget.SURPRISE_LEAD + plan.step_days <= plan.horizon_days + 1,
        ),
        money=at_budget.money(panel, worth, plan.budget, setting.bootstrap, plan.seed),
        truth=None if risk.probability is None else _truth(setting, risk.probability),
    )


def bands(panel: Panel) -> Sequence[BandRow]:
    """Return how many of each band's account-landmarks ended in a loss, by the expert's score."""
    named = np.asarray(panel.band)
    rows = []
    for band in (Band.HEALTHY, Band.WATCH, Band.AT_RISK, Band.UNKNOWN):
        mine = panel.take(named == band.value)
        lost = lost_share(sample_of(mine))
        rows.append(BandRow(band.value, len(mine), len(mine) / max(1, len(panel)), lost))
    return rows


def difference(setting: Setting, better: Floats, worse: Floats) -> Figure:
    """Return how much AUC one order has over another, by the same draws."""
    lost = setting.panel.is_lost
    ours, theirs = metrics.Ranked.of(better, lost), metrics.Ranked.of(worse, lost)
    return setting.bootstrap.figure(
        sample_of(setting.panel), lambda w: ours.areas(w)[0] - theirs.areas(w)[0]
    )


class _Parts:
    def __init__(self, setting: Setting, order: Floats, flags: Bools) -> None:
        self._sample, self._bootstrap = sample_of(setting.panel), setting.bootstrap
        self._order, self._flags = order, flags

    def ranking(self, name: str, mask: Bools) -> Ranking:
        sample, order, flags = self._sample.take(mask), self._order[mask], self._flags[mask]
        ranked, lost = metrics.Ranked.of(order, sample.is_lost), sample.is_lost

        def estimates(weight: Floats) -> Sequence[float]:
            return (
                *ranked.areas(weight),
                metrics.base_rate(lost, weight),
                at_budget.precision(flags, lost, weight),
                at_budget.recall(flags, lost, weight),
            )

        return Ranking(name, int(mask.sum()), *self._bootstrap.figures(sample, estimates))


def _truth(setting: Setting, probability: Floats) -> Truth:
    sample, lost = sample_of(setting.panel), setting.panel.is_lost
    logits = metrics.logit(probability)

    def estimates(weight: Floats) -> Sequence[float]:
        return (
            metrics.brier(probability, lost, weight),
            metrics.brier_skill(probability, lost, weight),
            *metrics.line_through(logits, lost, weight),
        )

    score, skill, slope, offset = setting.bootstrap.figures(sample, estimates)
    return Truth(score, skill, slope, offset, _calibration_table(probability, sample))


def _calibration_table(probability: Floats, sample: Sample) -> Sequence[CalibrationBin]:
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, _BINS + 1)))
    place = np.clip(
        np.searchsorted(edges, probability, side="right") - 1, 0, max(0, len(edges) - 2)
    )
    rows = []
    for number in np.unique(place):
        mask = place == number
        mine = sample.take(mask)
        lost = lost_share(mine)
        if lost.value is not None and lost.low is not None and lost.high is not None:
            said = float(probability[mask].mean())
            rows.append(CalibrationBin(len(mine.is_lost), said, lost.value, lost.low, lost.high))
    return rows


def _months(panel: Panel) -> Sequence[tuple[str, Bools]]:
    days, place = np.unique(panel.day, return_inverse=True)
    months = np.array([date.fromordinal(int(day)).strftime("%Y-%m") for day in days])[place]
    return [(str(month), months == month) for month in np.unique(months)]


def _segments(panel: Panel) -> Sequence[tuple[str, Bools]]:
    segments = np.asarray(panel.segment)
    return [(segment, segments == segment) for segment in sorted(set(panel.segment))]
