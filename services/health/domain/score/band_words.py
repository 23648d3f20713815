"""Bands in words: what one means in points, and why it may not be the one the points lie in."""

from services.health.domain.profile.profile import Bands, Profile
from services.health.domain.score.score import COVERAGE_MARGIN, Band, band_after
from shared.kernel.figures import figure, percent, spoken

_ALL_KNOWN = 1.0


def band_in_words(band: Band, score: float, coverage: float, profile: Profile) -> str:
    """Say a band, given the points and the coverage it was found for.

    Such as "Watch: from 50 to 75 points.", or, by habit, "Still watch: it becomes healthy at 78
    points, 3 past the edge at 75, [...]".
    """
    if band is Band.UNKNOWN:
        return _unknown(coverage, profile.coverage_floor)
    lies_in = band_after(None, score, _ALL_KNOWN, profile)
    if band is lies_in:
        return f"{spoken(band).capitalize()}: {_range(band, profile.bands)}."
    return _still(band, lies_in, profile.bands)


def _unknown(coverage: float, floor: float) -> str:
    needed = floor if coverage < floor else floor + COVERAGE_MARGIN
    return (
        f"Unknown: {percent(coverage)} of what counts is known, and a band takes {percent(needed)}."
    )


def _range(band: Band, bands: Bands) -> str:
    low, high = figure(bands.at_risk_below), figure(bands.watch_below)
    said = {
        Band.AT_RISK: f"under {low} points",
        Band.WATCH: f"from {low} to {high} points",
        Band.HEALTHY: f"{high} points or more",
    }
    return said[band]


def _still(band: Band, lies_in: Band, bands: Bands) -> str:
    margin = bands.leave_margin
    is_rising = lies_in is Band.HEALTHY or band is Band.AT_RISK
    edge = bands.watch_below if Band.HEALTHY in (band, lies_in) else bands.at_risk_below
    left = f"at {figure(edge + margin)}" if is_rising else f"under {figure(edge - margin)}"
    return (
        f"Still {spoken(band)}: it becomes {spoken(lies_in)} {left} points, {figure(margin)} past "
        f"the edge at {figure(edge)}, so that small changes do not move an account back and forth."
    )
