"""Ways to tell that usage dropped, each as a score a day: the higher, the surer.

They are compared at the same rate of false alarms, so only the order of their scores matters.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from scipy.stats import nbinom

from services.health.domain.detector.gpr import SegmentDay, seal_day
from services.health.domain.detector.replay import NOBODY_ALARMS
from services.health.domain.detector.state import DetectorState, Floats, SegmentState
from tenure.evaluation.generator import Usage

_SHORT, _LONG = 0.5 ** (1 / 6), 0.5 ** (1 / 42)
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Judged:
    """What the product's detector says of accounts x days: P, the expected count, the noise."""

    probability: Floats
    ratio: Floats
    expected: Floats
    level: Floats
    noise: Floats


def judge(usage: Usage, *, with_peers: bool = True) -> Judged:
    """Run the product's detector over all days, each group with its own peers and habit."""
    shape = usage.counts.shape
    out = Judged(*(np.zeros(shape) for _ in range(5)))
    groups = np.array(usage.groups)
    for group in np.unique(groups):
        _judge_group(usage, np.flatnonzero(groups == group), out, with_peers=with_peers)
    return out


def _judge_group(
    usage: Usage, here: np.ndarray[tuple[int], np.dtype[np.intp]], out: Judged, *, with_peers: bool
) -> None:
    state, segment = DetectorState.fresh(len(here)), SegmentState()
    for day in range(usage.counts.shape[1]):
        weekday = (usage.first + timedelta(days=day)).weekday()
        counts = usage.counts[here, day]
        sealed = seal_day(
            state,
            segment,
            SegmentDay(counts, weekday, alarm_at=NOBODY_ALARMS)
            if with_peers
            else SegmentDay(counts, weekday, peer_factor=1.0, alarm_at=NOBODY_ALARMS),
        )
        noise = np.clip(state.noise_excess / state.noise_exposure, 1 / 3, 1 / 0.7)
        said = sealed.result
        for kept, now in (
            (out.probability, said.probability),
            (out.ratio, said.ratio),
            (out.expected, said.expected),
            (out.level, said.level),
            (out.noise, noise),
        ):
            kept[here, day] = now
        state = sealed.state
        segment = sealed.segment if with_peers else segment.learn(weekday, sealed.tally)


def week_over_week(usage: Usage, _judged: Judged) -> Floats:
    """Return how much smaller seven days are than the seven before, as a share."""
    return _smaller(usage.counts, 7)


def month_over_month(usage: Usage, _judged: Judged) -> Floats:
    """Return how much smaller 28 days are than the 28 before, as a share."""
    return _smaller(usage.counts, 28)


def seasonal_robust_z(usage: Usage, _judged: Judged) -> Floats:
    """Return a week's distance from the median of the same weekdays of eight weeks, in MADs."""
    counts = usage.counts
    z = np.zeros_like(counts)
    for day in range(63, counts.shape[1]):
        past = np.stack([counts[:, day - 7 * week] for week in range(1, 9)])
        middle = np.median(past, axis=0)
        spread = 1.4826 * np.median(np.abs(past - middle), axis=0) + 0.5 + 0.1 * middle
        z[:, day] = (middle - counts[:, day]) / spread
    return _sums(np.clip(z, -3, 3), 7)


def ewma_with_peers(_usage: Usage, judged: Judged) -> Floats:
    """Return how far a short average of the counts is below that of the expected ones."""
    variance = judged.expected + judged.noise * judged.expected**2
    gap = _faded(judged.expected - np.minimum(_usage.counts, judged.expected * 3 + 3), _SHORT)
    return np.asarray(gap / np.sqrt(_faded(variance, _SHORT**2) + 1e-9))


def nb_cusum_with_peers(usage: Usage, judged: Judged) -> Floats:
    """Return the CUSUM of a fall to one half, for negative binomial counts."""
    size, mean = 1 / judged.noise, judged.expected

    def log_likelihood(mean: Floats) -> Floats:
        return np.asarray(nbinom.logpmf(usage.counts, size, size / (size + mean)))

    gain = np.nan_to_num(log_likelihood(mean * _HALF) - log_likelihood(mean))
    score = np.zeros_like(gain)
    for day in range(42, gain.shape[1]):
        score[:, day] = np.maximum(0.0, score[:, day - 1] + gain[:, day])
    return score


def gpr(_usage: Usage, judged: Judged) -> Floats:
    """Return the probability that usage is down by more than 30 %: the product's own."""
    return judged.probability


METHODS: Mapping[str, tuple[Callable[[Usage, Judged], Floats], bool]] = {
    "week over week %": (week_over_week, True),
    "28 days vs previous 28": (month_over_month, True),
    "seasonal robust z": (seasonal_robust_z, True),
    "EWMA + peers": (ewma_with_peers, True),
    "NB-CUSUM + peers": (nb_cusum_with_peers, True),
    "GPR without peers": (gpr, False),
    "GPR + peers (the product)": (gpr, True),
}
"""By name: the method, and whether the detector it reads knows peers."""


def _smaller(counts: Floats, days: int) -> Floats:
    now = _sums(counts, days)
    before = np.zeros_like(now)
    before[:, days:] = now[:, :-days]
    return np.asarray(np.where(before > 0, 1 - now / np.maximum(before, 1), -1.0))


def _sums(values: Floats, days: int) -> Floats:
    total = np.cumsum(values, axis=1)
    total[:, days:] = total[:, days:] - total[:, :-days].copy()
    return total


def _faded(values: Floats, decay: float) -> Floats:
    faded = np.zeros_like(values)
    for day in range(42, values.shape[1]):
        faded[:, day] = decay * faded[:, day - 1] + values[:, day]
    return faded
