"""What an alert budget buys: the riskiest share of accounts at each landmark, and what they did."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.health.domain.backtest.history import Floats, Ints
from services.health.domain.backtest.panel import Panel
from services.health.domain.backtest.samples import (
    LEAST_LOSSES,
    Bools,
    Bootstrap,
    Figure,
    Sample,
    share_figure,
)

SURPRISE_LEAD = 90
_BIN_DAYS = 30


@dataclass(frozen=True, slots=True)
class LeadTime:
    """How long before its renewal a lost account was first flagged, in days.

    Of ``lost`` renewals ``flagged`` were flagged at some landmark; the quartiles are of those.
    ``watched`` is the median of the longest warning that was possible at all. ``bins`` counts
    first flags by how far ahead they came, 30 days each, ``never`` the rest.
    """

    lost: int
    flagged: int
    median: Figure
    quartiles: tuple[float, float] | None
    watched: float | None
    bins: Sequence[tuple[int, int, int]]
    never: int
    before_notice: Figure


@dataclass(frozen=True, slots=True)
class Surprises:
    """Lost renewals nobody was warned of: 90 days before, not flagged or not even seen."""

    share: Figure
    not_flagged: int
    not_seen: int


@dataclass(frozen=True, slots=True)
class Money:
    """Shares of what was lost that the same budget catches, by two orders, in one currency."""

    currency: str
    renewals: int
    losses: int
    lost_mrr_minor: float
    by_risk: tuple[Figure, Figure]
    by_money_at_risk: tuple[Figure, Figure]


def flag(panel: Panel, risk: Floats, budget: float, seed: int) -> Bools:
    """Flag the riskiest share of accounts at each landmark, at least one; chance breaks ties."""
    flags = np.zeros(len(panel), dtype=np.bool_)
    chance = np.random.default_rng(seed).random(len(panel))
    for day in np.unique(panel.day):
        here = np.flatnonzero(panel.day == day)
        most = max(1, round(budget * len(here)))
        order = np.lexsort((chance[here], -risk[here]))
        flags[here[order[:most]]] = True
    return flags


def lead_time(panel: Panel, flags: Bools, notice: Ints, bootstrap: Bootstrap) -> LeadTime:
    """Return how early lost renewals were flagged. ``notice``: last day to give notice, or 0."""
    lost = panel.take(panel.is_lost)
    flagged = flags[panel.is_lost]
    renewals = np.unique(lost.renewal)
    watched = _longest(lost.renewal, lost.lead, renewals)
    first = _longest(lost.renewal[flagged], lost.lead[flagged], renewals)
    found = first > 0
    account = _of_renewal(lost, renewals)
    return LeadTime(
        lost=len(renewals),
        flagged=int(found.sum()),
        median=_median(first[found], account[found], renewals[found], bootstrap),
        quartiles=_quartiles(first[found]),
        watched=float(np.median(watched)) if len(watched) else None,
        bins=_bins(first[found]),
        never=int((~found).sum()),
        before_notice=_before_notice(lost, flagged, notice[panel.is_lost]),
    )


def surprises(
    panel: Panel, flags: Bools, step_days: int, unseen_lost: int, *, is_in_reach: bool
) -> Surprises:
    """Return the lost renewals that were not flagged at the last landmark 90 days before.

    ``unseen_lost``: lost renewals with nothing known at that landmark. Not in reach means the
    horizon ends nearer than that.
    """
    at = at_lead(panel, SURPRISE_LEAD, step_days) & panel.is_lost
    missed, seen = int((at & ~flags).sum()), int(at.sum())
    counts = (seen + unseen_lost, seen + unseen_lost)
    if not is_in_reach:
        note = f"the horizon does not reach {SURPRISE_LEAD} days ahead"
        return Surprises(Figure(None, None, None, *counts, note), missed, unseen_lost)
    return Surprises(
        share_figure(missed + unseen_lost, seen + unseen_lost, counts), missed, unseen_lost
    )


def at_lead(panel: Panel, lead: int, step_days: int) -> Bools:
    """Return the entries of each renewal's last landmark that is at least ``lead`` days before.

    Landmarks a short month apart both lie within a step: the nearer one counts.
    """
    within = np.flatnonzero((panel.lead >= lead) & (panel.lead < lead + step_days))
    nearest_first = within[np.lexsort((panel.lead[within], panel.renewal[within]))]
    _, first = np.unique(panel.renewal[nearest_first], return_index=True)
    chosen = np.zeros(len(panel), dtype=np.bool_)
    chosen[nearest_first[first]] = True
    return chosen


def money(
    panel: Panel, probability: Floats, budget: float, bootstrap: Bootstrap, seed: int
) -> Sequence[Money]:
    """Return, per currency, what a ranking by p and one by p x MRR catch at the same budget."""
    currencies = np.asarray(panel.currency)
    found = []
    for currency in sorted(set(panel.currency) - {""}):
        mask = (currencies == currency) & ~np.isnan(panel.mrr)
        mine, p = panel.take(mask), probability[mask]
        orders = (p, p * mine.mrr)
        by_risk, by_money = (
            _caught(mine, flag(mine, order, budget, seed), bootstrap) for order in orders
        )
        lost = mine.is_lost
        once = np.unique(mine.renewal[lost], return_index=True)[1]
        total = float(mine.mrr[lost][once].sum())
        found.append(Money(currency, *mine.count_renewals(), total, by_risk, by_money))
    return found


def sample_of(panel: Panel) -> Sample:
    """Return what a panel's figures stand on."""
    return Sample(panel.renewal, panel.account, panel.is_lost)


def precision(flags: Bools, lost: Bools, weight: Floats) -> float:
    """Return the share of flagged entries that were lost."""
    named = weight[flags].sum()
    return float(weight[flags & lost].sum() / named) if named > 0 else float("nan")


def recall(flags: Bools, lost: Bools, weight: Floats) -> float:
    """Return the share of lost entries that were flagged."""
    all_lost = weight[lost].sum()
    return float(weight[flags & lost].sum() / all_lost) if all_lost > 0 else float("nan")


def _caught(panel: Panel, flags: Bools, bootstrap: Bootstrap) -> tuple[Figure, Figure]:
    sample, lost, mrr = sample_of(panel), panel.is_lost, panel.mrr
    return (
        bootstrap.figure(sample, lambda w: recall(flags, lost, w)),
        bootstrap.figure(sample, lambda w: recall(flags, lost, w * mrr)),
    )


def _longest(renewal: Ints, lead: Ints, renewals: Ints) -> Ints:
    longest = np.zeros(len(renewals), dtype=np.int64)
    np.maximum.at(longest, np.searchsorted(renewals, renewal), lead)
    return longest


def _of_renewal(panel: Panel, renewals: Ints) -> Ints:
    first = np.unique(panel.renewal, return_index=True)[1]
    return panel.account[first] if len(renewals) else np.zeros(0, dtype=np.int64)


def _median(leads: Ints, account: Ints, renewal: Ints, bootstrap: Bootstrap) -> Figure:
    if len(leads) < LEAST_LOSSES:
        note = f"only {len(leads)} lost renewals were flagged: needs {LEAST_LOSSES}"
        return Figure(None, None, None, len(leads), len(leads), note)
    return bootstrap.interval(lambda w: _weighted_median(leads, w[account]), len(renewal))


def _weighted_median(values: Ints, weight: Floats) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weight[order])
    if not len(total) or total[-1] <= 0:
        return float("nan")
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def _quartiles(leads: Ints) -> tuple[float, float] | None:
    if len(leads) < LEAST_LOSSES:
        return None
    low, high = np.quantile(leads, [0.25, 0.75])
    return float(low), float(high)


def _bins(leads: Ints) -> Sequence[tuple[int, int, int]]:
    if not len(leads):
        return []
    width = _BIN_DAYS if leads.max() > 2 * _BIN_DAYS else 7
    counts = np.bincount(leads // width)
    return [(n * width, (n + 1) * width, int(count)) for n, count in enumerate(counts)]


def _before_notice(lost: Panel, flagged: Bools, notice: Ints) -> Figure:
    has = notice > 0
    due = np.unique(lost.renewal[has])
    early = np.unique(lost.renewal[has & flagged & (lost.day < notice)])
    if not len(due):
        return Figure(None, None, None, 0, 0, "no notice dates were given")
    return share_figure(len(early), len(due), (len(due), len(due)))
