"""Figures with their samples: a value, its interval, and how many renewals it stands on."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
    share, z = part / whole, _WILSON
    middle = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole))
    half /= 1 + z * z / whole
    return Figure(share, max(0.0, middle - half), min(1.0, middle + half), *counts)


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
