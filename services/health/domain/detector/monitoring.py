"""How an account is monitored in one metric, as people are told."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from services.health.domain.detector.budget import band_of
from services.health.domain.detector.gpr import ALARM_FROM_DAY
from services.health.domain.detector.record import Record


class Monitoring(StrEnum):
    """What the detector does about a metric of an account."""

    WARMING_UP = "warming_up"  # under 42 judged days nobody knows what is normal
    MONITORED = "monitored"
    TOO_LITTLE_USAGE = "too_little_usage"  # under 10 a week: the active-day rule watches instead
    SUSPENDED = "suspended"


def monitoring_of(record: Record, is_off: NDArray[np.bool_]) -> list[Monitoring]:
    """Return how each account is monitored; `is_off`: its last day was not judged."""
    is_young = record.state.age < ALARM_FROM_DAY
    chosen = np.select(
        [is_off, is_young, band_of(record.level) == 0],
        [
            Monitoring.SUSPENDED.value,
            Monitoring.WARMING_UP.value,
            Monitoring.TOO_LITTLE_USAGE.value,
        ],
        Monitoring.MONITORED.value,
    )
    return [Monitoring(one) for one in chosen]


def days_left(record: Record) -> list[int]:
    """Return how many days of warming up are left."""
    return [max(0, ALARM_FROM_DAY - int(age)) for age in record.state.age]
