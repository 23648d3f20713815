"""Disagreement is data: what a person believes against what was computed."""

from datetime import datetime, timedelta

from services.health.domain.profile.profile import Bands
from services.health.domain.score.score import Band

PULSE_HOLDS = timedelta(days=180)
"""Two half-lives of a pulse: an older one is nobody's judgement any more."""

_ORDER = (Band.AT_RISK, Band.WATCH, Band.HEALTHY)
_RATINGS = 4


def pulse_of_rating(rating: int) -> float:
    """Return a pulse of 1 to 5 as 0 to 100."""
    return (rating - 1) * 100 / _RATINGS


def pulse_of_band(band: Band, bands: Bands) -> float:
    """Return the middle of a band as a pulse. Raises ValueError for the unknown band."""
    edges = {
        Band.AT_RISK: (0.0, bands.at_risk_below),
        Band.WATCH: (bands.at_risk_below, bands.watch_below),
        Band.HEALTHY: (bands.watch_below, 100.0),
    }
    if band not in edges:
        raise ValueError(band)
    return sum(edges[band]) / 2


def band_of_pulse(value: float, bands: Bands) -> Band:
    """Return the band that a pulse of 0 to 100 falls in, by the same edges as a score."""
    if value < bands.at_risk_below:
        return Band.AT_RISK
    return Band.WATCH if value < bands.watch_below else Band.HEALTHY


def disagree(pulse: Band, score: Band, allowed: int) -> bool:
    """Tell whether two bands lie further apart than allowed; unknown contradicts nobody."""
    if Band.UNKNOWN in {pulse, score}:
        return False
    return abs(_ORDER.index(pulse) - _ORDER.index(score)) > allowed


def holds(set_at: datetime, now: datetime) -> bool:
    """Tell whether a pulse is recent enough to be somebody's judgement."""
    return now - set_at <= PULSE_HOLDS
