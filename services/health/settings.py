"""Settings of health."""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path

import yaml
from pydantic import Field

from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Profile
from shared.web.settings import ServiceSettings

_PROFILES = Path(__file__).parent / "profiles"

EVENT_GRACE = timedelta(hours=1)
"""How far past midnight the stream must be before a day counts as over."""

WALL_GRACE = timedelta(hours=2)
"""How long past midnight, by the clock, late events are waited for when the stream is silent."""


BACKFILL_PAUSE = timedelta(seconds=3)
"""Past usage is being sent as long as its events come no further apart than this."""

BACKFILL_SPAN = timedelta(hours=1)
"""An account that a back-fill touched this recently is part of it."""


class Settings(ServiceSettings):
    """What health reads from ``TENURE_*`` variables."""

    # How long the raw events are kept beside their counts; 0 keeps none.
    usage_raw_days: int = Field(default=14, ge=0, le=3660)


@cache
def load_profile(name: str = "default") -> Profile:
    """Read a shipped profile. Raises `ProfileInvalid`, which says what to change in the file."""
    return parse_profile(yaml.safe_load((_PROFILES / f"{name}.yml").read_text()))


@cache
def shipped_profiles() -> Mapping[str, str]:
    """Return the text of each shipped profile, by its name."""
    return {path.stem: path.read_text() for path in sorted(_PROFILES.glob("*.yml"))}
