"""What a band means, in words."""

from dataclasses import replace

import pytest

from services.health.domain.profile.profile import Bands
from services.health.domain.score.band_words import band_in_words
from services.health.domain.score.score import Band
from tests.builders.health import default_profile

PROFILE = replace(default_profile(), bands=Bands(50.0, 75.0, 3.0), coverage_floor=0.5)
_SO = "so that small changes do not move an account back and forth."


@pytest.mark.parametrize(
    ("band", "score", "said"),
    [
        (Band.AT_RISK, 12.0, "At risk: under 50 points."),
        (Band.WATCH, 60.0, "Watch: from 50 to 75 points."),
        (Band.HEALTHY, 75.0, "Healthy: 75 points or more."),
        (
            Band.WATCH,
            77.0,
            f"Still watch: it becomes healthy at 78 points, 3 past the edge at 75, {_SO}",
        ),
        (
            Band.HEALTHY,
            73.0,
            f"Still healthy: it becomes watch under 72 points, 3 past the edge at 75, {_SO}",
        ),
        (
            Band.AT_RISK,
            51.0,
            f"Still at risk: it becomes watch at 53 points, 3 past the edge at 50, {_SO}",
        ),
        (
            Band.WATCH,
            48.0,
            f"Still watch: it becomes at risk under 47 points, 3 past the edge at 50, {_SO}",
        ),
    ],
)
def test_a_band_says_its_edges_and_a_kept_one_when_it_is_left(
    band: Band, score: float, said: str
) -> None:
    assert band_in_words(band, score, 0.9, PROFILE) == said


@pytest.mark.parametrize(("coverage", "needed"), [(0.3, "50 %"), (0.51, "52 %")])
def test_an_unknown_band_says_how_much_must_be_known(coverage: float, needed: str) -> None:
    said = band_in_words(Band.UNKNOWN, 60.0, coverage, PROFILE)
    assert f" {coverage * 100:.0f} % of what counts" in said
    assert said.endswith(f"a band takes {needed}.")
