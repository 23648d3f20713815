"""Usage drops: the exponentially weighted Gamma-Poisson usage ratio (GPR).

Formulas and their measured quality: "Health, drops, value" in the design notes. One pass per
sealed day, vectorised over the accounts of one peer group (segment). Counts are events, or
active users, a day; half-lives are in days; weekday 0 is Monday.

An account that is suspended (a known gap) is left out of the pass: its state waits.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from services.health.domain.detector.posterior import drop_probability
from services.health.domain.detector.state import (
    NO_PEERS,
    DayTally,
    DetectorState,
    Floats,
    SegmentState,
)

PEERS_FROM_DAY = 14
NOISE_FROM_DAY = 21
RATIO_FROM_DAY = 28
ALARM_FROM_DAY = 42
DAYS_BETWEEN_ALARMS = 28

LEVEL_DECAY = 0.5 ** (1 / 42)
NOISE_DECAY = 0.5 ** (1 / 60)
# Weekday sums and evidence forget at the same pace: weekdays per visit, evidence per day.
FAST_DECAY = 0.5 ** (1 / 6)
PRIOR_EVENTS = 2.0
# On a weekday an account is absent when it had under a tenth of ten events or more, by its peers.
_KNOWS_A_WEEKDAY = 10.0
_ABSENT_UNDER = 0.1
_VISITS_FROM_DAY = 35


@dataclass(frozen=True, slots=True)
class SegmentDay:
    """One day of one peer group, as the detector needs it.

    `earlier` holds the tally of peers already sealed for the same day (other time zones or
    partitions). `peer_factor` replaces the computed factor: a stored one when a late account is
    sealed again, or the common one when a large segment is sealed in pieces. `alarm_at` is p*,
    one for all or one per account.
    """

    counts: Floats
    weekday: int
    earlier: DayTally = NO_PEERS
    peer_factor: float | None = None
    alarm_at: float | Floats = 0.69


@dataclass(frozen=True, slots=True)
class DayResult:
    """What the day said about each account; arrays in the order of the counts.

    `ratio` is R, `probability` is P(usage really is more than 30 % below its own normal), both
    meaningful where `ready`; `expected` is mu, `baseline` the same before the peer factor and
    `level` the slow average, all in events a day. `observed_peers` and `expected_peers` are the
    whole segment's S and B, from `voters` accounts.
    """

    ratio: Floats
    probability: Floats
    alarm: NDArray[np.bool_]
    ready: NDArray[np.bool_]
    expected: Floats
    baseline: Floats
    level: Floats
    peer_factor: float
    observed_peers: float
    expected_peers: float
    voters: int


@dataclass(frozen=True, slots=True)
class SealedDay:
    """The states after the day, its result, and what these accounts add to the segment's tally."""

    state: DetectorState
    segment: SegmentState
    result: DayResult
    tally: DayTally


@dataclass(frozen=True, slots=True)
class _Normal:
    """What each account would do today if nothing had changed."""

    level: Floats
    weekday_factor: Floats
    base: Floats
    noise: Floats  # phi: 1/phi is the shape of the negative binomial

    @classmethod
    def of(cls, state: DetectorState, segment: SegmentState, weekday: int) -> Self:
        level = _level(state)
        shape = np.asarray(segment.weekday_shape())[:, None]
        prior = 4 * np.maximum(level, 0.05) * _say_of_peers(state, shape)
        factors = (state.weekday_events + prior * shape) / (state.weekday_exposure + prior)
        factor = factors[weekday] / factors.mean(axis=0)
        return cls(level, factor, level * factor, _noise(state))


def _level(state: DetectorState) -> Floats:
    return (state.events + 0.02) / (state.exposure + 0.02)


def _noise(state: DetectorState) -> Floats:
    return np.clip(state.noise_excess / state.noise_exposure, 1 / 3, 1 / 0.7)


def _say_of_peers(state: DetectorState, shape: Floats) -> Floats:
    """Return how much peers still have to say about each weekday: all, or next to nothing.

    What is remembered of a weekday never outweighs its prior, three to one. That is little where
    an account does not come at all on that day (decision 24): peers who do would have it miss a
    third of their events every week.
    """
    foreseen = shape * state.weekday_exposure
    share = state.weekday_events / np.maximum(foreseen, 1e-9)
    is_known = (foreseen >= _KNOWS_A_WEEKDAY) & (state.age >= _VISITS_FROM_DAY)
    return np.where(is_known, np.clip(share / _ABSENT_UNDER, 0.02, 1.0), 1.0)


@dataclass(frozen=True, slots=True)
class _Expectation:
    """Today's expected count, and the count after capping what is improbably high."""

    mean: Floats
    capped: Floats
    learned: Floats
    evidence_weight: Floats
    factor: float

    @classmethod
    def of(cls, normal: _Normal, counts: Floats, age: Floats, factor: float) -> Self:
        mean = np.maximum(normal.base * factor, 1e-6)
        capped = np.minimum(counts, mean + 3 * np.sqrt(mean + mean**2 * normal.noise) + 1)
        learned = np.where(age >= PEERS_FROM_DAY, capped, counts)
        return cls(mean, capped, learned, 1 / (1 + mean * normal.noise), factor)


def peer_tally(state: DetectorState, segment: SegmentState, day: SegmentDay) -> DayTally:
    """Return what these accounts contribute to the segment's S and B, without sealing them.

    Sum it over the pieces of a large segment, take `peer_factor` of the sum, and seal each piece
    with that factor: the result does not depend on how the segment was cut.
    """
    return _peers(_Normal.of(state, segment, day.weekday), state.age, _checked(day, len(state)))


def expected_vote(state: DetectorState) -> Floats:
    """Return what each account adds to its segment's B on an average day."""
    level = _level(state)
    return level / (1 + _noise(state) * level)


def seal_day(state: DetectorState, segment: SegmentState, day: SegmentDay) -> SealedDay:
    """Close one day: compare every account with its own normal, then learn from the day.

    `segment` is the segment as it was when the day began, also for peers sealed later on that
    day. With a given `peer_factor` the segment is returned unchanged; the caller who sealed
    pieces calls `segment.learn` with the sum of their tallies. Raises ValueError for counts
    that are negative, not finite, or not one per account.
    """
    counts = _checked(day, len(state))
    normal = _Normal.of(state, segment, day.weekday)
    own_peers = _peers(normal, state.age, counts)
    peers = day.earlier + own_peers
    factor = peers.peer_factor() if day.peer_factor is None else day.peer_factor
    expectation = _Expectation.of(normal, counts, state.age, factor)
    after = _weigh_evidence(state, expectation)
    result = _judge(after, normal, expectation, day.alarm_at, peers)
    tally = own_peers + _shape_tally(normal, expectation, state.age)
    learned = segment.learn(day.weekday, day.earlier + tally)
    return SealedDay(
        _learn(after, normal, expectation, day.weekday, result.alarm),
        segment if day.peer_factor is not None else learned,
        result,
        tally,
    )


def accept_new_normal(state: DetectorState) -> DetectorState:
    """Re-baseline: today's usage becomes normal, and the evidence against it is dropped."""
    ratio = _ratio(state)
    return state.changed(
        events=state.events * ratio,
        seen=np.zeros(len(state)),
        foreseen=np.zeros(len(state)),
    )


def _checked(day: SegmentDay, accounts: int) -> Floats:
    counts = np.asarray(day.counts, dtype=np.float64)
    if counts.shape != (accounts,):
        raise ValueError(f"{accounts} accounts need {accounts} counts, got shape {counts.shape}")
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError("daily counts must be finite and not negative")
    return counts


def _peers(normal: _Normal, age: Floats, counts: Floats) -> DayTally:
    # Accounts younger than 14 days have no normal of their own yet: they listen, and do not vote.
    weight = np.where(age >= PEERS_FROM_DAY, 1 / (1 + normal.noise * normal.base), 0.0)
    observed = float(weight @ np.minimum(counts, 3 * normal.base + 3))
    return DayTally(
        observed=observed,
        expected=float(weight @ normal.base),
        voters=int(np.count_nonzero(weight)),
    )


def _shape_tally(normal: _Normal, expectation: _Expectation, age: Floats) -> DayTally:
    # On its first day an account's level is a guess of 1: busy newcomers would bend the shape for
    # months, and of a segment whose history came in at once all are new (decision 22).
    weight = np.where(age > 0, 1 / (1 + normal.level), 0.0)
    return DayTally(
        shape_observed=float(weight @ expectation.learned),
        shape_expected=float(weight @ normal.level) * expectation.factor,
    )


def _weigh_evidence(state: DetectorState, expectation: _Expectation) -> DetectorState:
    weight = np.where(state.age >= RATIO_FROM_DAY, expectation.evidence_weight, 0.0)
    return state.changed(
        seen=FAST_DECAY * state.seen + weight * expectation.capped,
        foreseen=FAST_DECAY * state.foreseen + weight * expectation.mean,
    )


def _ratio(state: DetectorState) -> Floats:
    return (PRIOR_EVENTS + state.seen) / (PRIOR_EVENTS + state.foreseen)


def _judge(
    state: DetectorState,
    normal: _Normal,
    expectation: _Expectation,
    alarm_at: float | Floats,
    peers: DayTally,
) -> DayResult:
    probability = drop_probability(PRIOR_EVENTS + state.seen, PRIOR_EVENTS + state.foreseen)
    rested = state.days_since_alarm >= DAYS_BETWEEN_ALARMS
    return DayResult(
        ratio=_ratio(state),
        probability=probability,
        alarm=(probability >= alarm_at) & (state.age >= ALARM_FROM_DAY) & rested,
        ready=state.age >= RATIO_FROM_DAY,
        expected=expectation.mean,
        baseline=normal.base,
        level=normal.level,
        peer_factor=expectation.factor,
        observed_peers=peers.observed,
        expected_peers=peers.expected,
        voters=peers.voters,
    )


def _learn(
    state: DetectorState,
    normal: _Normal,
    expectation: _Expectation,
    weekday: int,
    alarm: NDArray[np.bool_],
) -> DetectorState:
    events, exposure = state.weekday_events.copy(), state.weekday_exposure.copy()
    events[weekday] = FAST_DECAY * events[weekday] + expectation.learned
    exposure[weekday] = FAST_DECAY * exposure[weekday] + normal.level * expectation.factor
    noise_excess, noise_exposure = _learn_noise(state, expectation)
    return state.changed(
        age=state.age + 1,
        events=LEVEL_DECAY * state.events + expectation.learned,
        exposure=LEVEL_DECAY * state.exposure + normal.weekday_factor * expectation.factor,
        weekday_events=events,
        weekday_exposure=exposure,
        noise_excess=noise_excess,
        noise_exposure=noise_exposure,
        days_since_alarm=np.where(alarm, 0.0, state.days_since_alarm) + 1,
    )


def _learn_noise(state: DetectorState, expectation: _Expectation) -> tuple[Floats, Floats]:
    mean = expectation.mean
    error = (expectation.learned - mean) ** 2 - mean
    excess = NOISE_DECAY * state.noise_excess + np.clip(error, -mean, 9 * mean**2 + 3 * mean)
    exposure = NOISE_DECAY * state.noise_exposure + mean**2
    grown = state.age >= NOISE_FROM_DAY
    return (
        np.where(grown, np.maximum(excess, 0.02 * exposure), state.noise_excess),
        np.where(grown, exposure, state.noise_exposure),
    )
