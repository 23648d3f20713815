"""Figures with their samples: a value, its interval, and how many renewals it stands on."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from services.health.domain.backtest.history import Floats, Ints

LEAST_LOSSES = 10
LEAST_KEPT = 10
_WILSON = 1.959964

Bools = NDArray[np.bool_]
Estimate = Callable[[Floats], float]
Estimates = Callable[[Floats], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure people may read: ``low`` and ``high`` are its 95 % interval.

    ``value`` is None where data are too thin or it is not defined, and ``note`` says why.
    """

    value: float | None
    low: float | None
    high: float | None
    renewals: int
    losses: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """The entries a figure is about: which renewals and accounts they are of."""

    renewal: Ints
    account: Ints
    is_lost: Bools

    def take(self, mask: Bools) -> "Sample":
        """Return the entries where the mask holds."""
        return Sample(self.renewal[mask], self.account[mask], self.is_lost[mask])

    def counts(self) -> tuple[int, int]:
        """Return renewals and losses."""
        return len(np.unique(self.renewal)), len(np.unique(self.renewal[self.is_lost]))


class Bootstrap:
    """Draws accounts with replacement; all figures see the same draws. Seeded, so repeatable."""

    def __init__(self, accounts: int, replicates: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self._draws = [
            random.multinomial(accounts, np.full(accounts, 1 / accounts)).astype(np.float64)
            for _ in range(replicates if accounts else 0)
        ]

    def figure(self, sample: Sample, estimate: Estimate) -> Figure:
        """Return an estimate of weighted entries with its interval; thin samples get words."""
        return self.figures(sample, lambda weight: (estimate(weight),))[0]

    def figures(self, sample: Sample, estimates: Estimates) -> Sequence[Figure]:
        """Return several estimates that are cheaper made together."""
        counts = sample.counts()
        values = estimates(np.ones(len(sample.renewal)))
        thin = _too_thin(*counts)
        if thin:
            return [Figure(None, None, None, *counts, thin) for _ in values]
        drawn = [estimates(draw[sample.account]) for draw in self._draws]
        return [
            _figure(value, [each[place] for each in drawn], counts)
            for place, value in enumerate(values)
        ]

    def interval(self, estimate: Estimate, losses: int) -> Figure:
        """Return an estimate over the accounts' weights, of lost renewals alone."""
        if not self._draws:
            return Figure(None, None, None, losses, losses, "no accounts")
        value = estimate(np.ones(len(self._draws[0])))
        return _figure(value, [estimate(draw) for draw in self._draws], (losses, losses))


def share_figure(part: int, whole: int, counts: tuple[int, int]) -> Figure:
    """Return a share of independent things with its Wilson interval."""
    if whole < LEAST_LOSSES:
        return Figure(None, None, None, *counts, f"only {whole}: too few for a share")
    share = part / whole
    return Figure(share, *_wilson(share, whole), *counts)


def lost_share(sample: Sample) -> Figure:
    """Return the share of entries that were lost, with the Wilson interval of as many as they say.

    An account has an entry at each landmark, and they mostly end alike: twelve of them say little
    more than one.
    """
    figure = share_figure(int(sample.is_lost.sum()), len(sample.is_lost), sample.counts())
    if figure.value is None:
        return figure
    low, high = _wilson(figure.value, _independent(sample, figure.value))
    return replace(figure, low=low, high=high)


def _independent(sample: Sample, share: float) -> float:
    """Return how many independent entries would say as much: the effective sample size.

    The variance of a share of clusters is by linearisation; where it is 0, each account is one.
    """
    entries = len(sample.is_lost)
    _, account = np.unique(sample.account, return_inverse=True)
    of_account = np.bincount(account, weights=sample.is_lost - share)
    variance = float((of_account**2).sum()) / entries**2
    return min(entries, share * (1 - share) / variance) if variance > 0 else len(of_account)


def _wilson(share: float, size: float) -> tuple[float, float]:
    z = _WILSON
    middle = (share + z * z / (2 * size)) / (1 + z * z / size)
    half = z * math.sqrt(share * (1 - share) / size + z * z / (4 * size * size))
    half /= 1 + z * z / size
    return max(0.0, middle - half), min(1.0, middle + half)


def _figure(value: float, drawn: Sequence[float], counts: tuple[int, int]) -> Figure:
    sound = [one for one in drawn if math.isfinite(one)]
    if not math.isfinite(value):
        return Figure(None, None, None, *counts, "not defined on these data")
    if not sound:
        return Figure(value, None, None, *counts)
    low, high = np.quantile(sound, [0.025, 0.975])
    return Figure(value, float(low), float(high), *counts)


def _too_thin(renewals: int, losses: int) -> str:
    if losses < LEAST_LOSSES:
        return f"only {losses} losses among {renewals} renewals: needs {LEAST_LOSSES}"
    if renewals - losses < LEAST_KEPT:
        return f"only {renewals - losses} kept renewals: needs {LEAST_KEPT}"
    return ""
