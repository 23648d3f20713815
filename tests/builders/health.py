"""What a health test needs, with everything it does not care about filled in."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from services.health.domain.detector.gpr import SealedDay, SegmentDay, seal_day
from services.health.domain.detector.state import DetectorState, Floats, SegmentState
from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Profile, Severity
from services.health.domain.risk.risk import Finding, Stage
from services.health.domain.score.score import Evidence, Observation, Signal

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
DEFAULT_PROFILE = Path(__file__).parents[2] / "services/health/profiles/default.yml"


def default_document() -> dict[str, Any]:
    """Return a copy that the test may change."""
    return deepcopy(_shipped())


@cache
def _shipped() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(DEFAULT_PROFILE.read_text(encoding="utf-8"))
    return document


@cache
def default_profile() -> Profile:
    return parse_profile(default_document())


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def evidence(*signals: Signal, **observed: float) -> Evidence:
    return Evidence({name: Observation(value, NOW) for name, value in observed.items()}, signals)


def finding(
    stage: Stage = Stage.PRESENT,
    severity: Severity = Severity.MEDIUM,
    reason: str = "payment_failed",
    account_id: str = "acme",
) -> Finding:
    return Finding(account_id, reason, stage, severity, {}, "A payment has failed.", "Ask billing.")


def sealed_days(
    counts: Floats, state: DetectorState | None = None, alarm_at: float = 0.69
) -> list[SealedDay]:
    """Seal accounts x days of counts for one segment, day 0 a Monday."""
    state = DetectorState.fresh(len(counts)) if state is None else state
    segment, sealed = SegmentState(), []
    for number, today in enumerate(np.asarray(counts, dtype=np.float64).T):
        day = seal_day(state, segment, SegmentDay(today, number % 7, alarm_at=alarm_at))
        state, segment = day.state, day.segment
        sealed.append(day)
    return sealed


def busy_segment(accounts: int = 8, days: int = 60, seed: int = 1) -> Floats:
    generator = np.random.default_rng(seed)
    return generator.poisson(generator.uniform(5, 40, (accounts, 1)), (accounts, days)) * 1.0
