"""Seal days of many accounts with peer factors that are known: the one way a state is made.

Whether an account goes on from yesterday or is rebuilt from its daily counts, the same days give
the same record.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from services.health.domain.detector.budget import AlarmLedger
from services.health.domain.detector.gpr import (
    ALARM_FROM_DAY,
    PRIOR_EVENTS,
    SegmentDay,
    accept_new_normal,
    seal_day,
)
from services.health.domain.detector.peers import PeerDay
from services.health.domain.detector.posterior import drop_probability
from services.health.domain.detector.record import Record
from services.health.domain.detector.state import DetectorState, Floats

NOBODY_ALARMS = 2.0
"""A threshold out of reach: what a state remembers must not depend on when thresholds changed."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Days to seal, accounts x days, beginning with `first`.

    `sealed`: the account is judged on that day (it has begun, and is not suspended). `accepted`:
    a person said after that day that this usage is the new normal.
    """

    first: date
    sealed: Mask
    accepted: Mask


@dataclass(frozen=True, slots=True)
class Exit:
    """When a drop is over: probability under, and ratio over."""

    probability: float
    ratio: float

    def is_over(self, probability: Floats, ratio: Floats) -> Mask:
        """Say for which accounts it is over."""
        over: Mask = (probability < self.probability) & (ratio > self.ratio)
        return over


def replay(
    record: Record,
    counts: Floats,
    days: Sequence[PeerDay],
    stretch: Stretch,
    rules: tuple[Exit, AlarmLedger | None],
) -> Record:
    """Seal the days of a stretch for one metric; `days` has one entry for each of its columns.

    A ledger counts the alarms of days that are sealed for the first time; a rebuild has none.
    """
    for column, day in enumerate(days):
        here = np.flatnonzero(stretch.sealed[:, column])
        if len(here) == len(record):
            record = _one_day(record, counts[:, column], day, rules)
        elif len(here):
            some = record.take(here)
            sealed = _one_day(some, counts[here, column], day, rules)
            record = record.put(here, sealed)
        accepted = np.flatnonzero(stretch.accepted[:, column])
        if len(accepted):
            record = record.put(accepted, _accepted(record.take(accepted)))
    return record


def _one_day(
    record: Record, counts: Floats, day: PeerDay, rules: tuple[Exit, AlarmLedger | None]
) -> Record:
    exit_rule, ledger = rules
    today = SegmentDay(counts, day.day.weekday(), peer_factor=day.g, alarm_at=NOBODY_ALARMS)
    sealed = seal_day(record.state, day.shape, today)
    said = sealed.result
    is_armed = sealed.state.age > ALARM_FROM_DAY
    is_over = exit_rule.is_over(said.probability, said.ratio)
    peak = np.where(is_armed & ~is_over, np.maximum(record.peak, said.probability), 0.0)
    if ledger is not None:
        armed = np.flatnonzero(is_armed)
        ledger.note(day.day, said.level[armed], record.peak[armed], peak[armed])
    return Record(
        sealed.state, counts, said.expected, said.ratio, said.probability, said.level, peak
    )


def _accepted(record: Record) -> Record:
    ones = np.ones(len(record))
    prior = PRIOR_EVENTS * ones
    return replace(
        record,
        state=accept_new_normal(record.state),
        ratio=ones,
        probability=drop_probability(prior, prior),
        peak=0 * ones,
    )


def plan(
    state: DetectorState, counts: Floats, sealed: Mask, shape: PeerDay, days: Sequence[date]
) -> tuple[list[PeerDay], PeerDay]:
    """Find the peer factors of a group's next days from all its accounts together.

    `shape` carries the weekday habit before the first day. Returns the days, and one that carries
    the habit after the last. A day on which nobody is judged has factor 1 and teaches nothing.
    """
    segment, planned = shape.shape, []
    for column, day in enumerate(days):
        here = np.flatnonzero(sealed[:, column])
        is_whole = len(here) == len(state)
        today = SegmentDay(counts[here, column], day.weekday(), alarm_at=NOBODY_ALARMS)
        done = seal_day(state if is_whole else state.take(here), segment, today)
        said = done.result
        planned.append(
            PeerDay(
                day,
                said.peer_factor,
                segment,
                said.voters,
                said.observed_peers,
                said.expected_peers,
            )
        )
        state = done.state if is_whole else state.put(here, done.state)
        segment = done.segment
    return planned, shape._replace(shape=segment)
