"""Settings of health."""

from datetime import timedelta
from functools import cache
from pathlib import Path

import yaml
from pydantic import Field

from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Profile
from services.health.domain.usage.account_group import AccountGroups
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

    # Which types of group are accounts, the most wanted first; * is any other, if it is alone.
    account_group_types: str = "company,account,organization,*"

    # The most that a body of events may have, unpacked.
    ingest_body_bytes: int = Field(default=6 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024)

    @property
    def account_groups(self) -> AccountGroups:
        """Return the types of group that are accounts."""
        return _account_groups(self.account_group_types)


@cache
def _account_groups(types: str) -> AccountGroups:
    named = (name.strip() for name in types.split(","))
    return AccountGroups(tuple(name for name in named if name))


@cache
def load_profile(name: str = "default") -> Profile:
    """Read a shipped profile. Raises `ProfileInvalid`, which says what to change in the file."""
    return parse_profile(yaml.safe_load((_PROFILES / f"{name}.yml").read_text()))
