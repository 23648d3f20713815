"""What a model is fitted to: account-landmarks as numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.health.domain.score.loss_model import NEUTRAL

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_FARTHEST_MONTHS = 12.0


@dataclass(frozen=True, slots=True)
class Design:
    """Entries as parallel arrays. ``evidence`` has a column per input: 0.5 - subscore.

    ``segment`` points into ``segments``; ``weight`` lets each renewal count once in all its
    landmarks; ``account``, ``renewal`` and ``day`` (of the landmark) say what must not be split.
    """

    inputs: Sequence[str]
    segments: Sequence[str]
    evidence: Floats
    months: Floats
    segment: Ints
    is_lost: Bools
    weight: Floats
    account: Ints
    renewal: Ints
    day: Ints

    def __len__(self) -> int:
        return len(self.is_lost)

    def take(self, mask: Bools) -> "Design":
        """Return the entries where the mask holds, each renewal again counting once."""
        return Design(
            self.inputs,
            self.segments,
            self.evidence[mask],
            self.months[mask],
            self.segment[mask],
            self.is_lost[mask],
            once_each(self.renewal[mask]),
            self.account[mask],
            self.renewal[mask],
            self.day[mask],
        )

    def count_renewals(self) -> tuple[int, int]:
        """Return how many renewals are in it, and how many of them were lost."""
        return len(np.unique(self.renewal)), len(np.unique(self.renewal[self.is_lost]))


def evidence_of(subscores: Floats) -> Floats:
    """Return what subscores say against neutral: above 0 speaks for a loss."""
    return NEUTRAL - subscores


def months_of(months: Floats) -> Floats:
    """Return months to the renewal as the model takes them."""
    clipped: Floats = np.clip(months, 0.0, _FARTHEST_MONTHS)
    return clipped


def once_each(renewal: Ints) -> Floats:
    """Return weights that let each renewal count once, however many landmarks it has."""
    if not len(renewal):
        return np.zeros(0)
    _, inverse, counts = np.unique(renewal, return_inverse=True, return_counts=True)
    weights: Floats = 1.0 / counts[inverse]
    return weights
