"""Settings of health."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Profile
from services.health.domain.signal.catalogue import Catalogue
from services.health.domain.signal.mapping import SenderMapping
from services.health.domain.signal.parsing import SignalsInvalid, parse_catalogue
from services.health.domain.signal.reading_mapping import MappingInvalid, parse_mapping
from services.health.domain.usage.account_group import AccountGroups
from shared.web.settings import ServiceSettings

_PROFILES = Path(__file__).parent / "profiles"
_SIGNALS = Path(__file__).parent / "catalogue"
_MAPPINGS = Path(__file__).parent / "mappings"
_ORIGIN = re.compile(r"https?://[^/\s]+")

EVENT_GRACE = timedelta(hours=1)
"""How far past midnight the stream must be before a day counts as over."""

WALL_GRACE = timedelta(hours=2)
"""How long past midnight, by the clock, late events are waited for when the stream is silent."""


BACKFILL_PAUSE = timedelta(seconds=3)
"""Past usage is being sent as long as its events come no further apart than this."""

BACKFILL_SPAN = timedelta(hours=1)
"""An account that a back-fill touched this recently is part of it."""


COMPARED_EVERY = timedelta(hours=3)
"""How often the distributions over similar accounts are computed again."""

STALE_AFTER = timedelta(hours=24)
"""A score this old is computed again though nothing happened: recency alone moves it."""


class Settings(ServiceSettings):
    """What health reads from ``TENURE_*`` variables."""

    # The secrets of webhooks by mapping: {"stripe": "whsec_..."}; two, with a space between them,
    # while one is being replaced.
    health_webhook_secrets: dict[str, SecretStr] = Field(default_factory=dict)
    # Which types of group are accounts, the most wanted first; * is any other, if it is alone.
    account_group_types: str = "company,account,organization,*"

    # The most that a body of events may have, unpacked.
    ingest_body_bytes: int = Field(default=6 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024)

    # The origins of pages whose browsers may send events, with commas between them; * is any.
    ingest_origins: str = ""

    @field_validator("ingest_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        for origin in _listed(value):
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"TENURE_INGEST_ORIGINS: write origins such as https://app.example, or *, "
                    f"not {origin!r}"
                )
        return value

    @property
    def origins(self) -> Sequence[str]:
        """Return the origins of pages whose browsers may send events."""
        return _listed(self.ingest_origins)

    @property
    def account_groups(self) -> AccountGroups:
        """Return the types of group that are accounts."""
        return _account_groups(self.account_group_types)


class Retention(BaseSettings):
    """How long things are kept, from ``TENURE_*`` variables."""

    model_config = SettingsConfigDict(env_prefix="TENURE_", extra="ignore", frozen=True)

    # How long the raw events are kept beside their counts; 0 keeps none.
    usage_raw_days: int = Field(default=14, ge=0, le=3660)
    # How long refused events, and those of nobody's account, can be read and attributed.
    intake_days: int = Field(default=90, ge=7, le=3660)
    # How long every kept score stays; after that, one a day and every change of band.
    score_detail_days: int = Field(default=35, ge=7, le=3650)


class UsageMemory(BaseSettings):
    """How much a replica remembers of counted usage, from ``TENURE_*`` variables."""

    model_config = SettingsConfigDict(env_prefix="TENURE_", extra="ignore", frozen=True)

    # MiB for the filters over ids that were counted; what has no room is looked up in Postgres.
    usage_ids_mib: int = Field(default=384, ge=0, le=65_536)


class SignalSettings(BaseSettings):
    """What signals and disagreements are judged by, from ``TENURE_HEALTH_*`` variables."""

    model_config = SettingsConfigDict(env_prefix="TENURE_HEALTH_", extra="ignore", frozen=True)

    # A file, or a folder of files, with types of signals of the company's own.
    signals: Path | None = None
    # A folder with mappings of the company's own, from a sender's webhooks to signals.
    mappings: Path | None = None
    # How many bands the pulse and the score may lie apart before it is a disagreement.
    disagreement_bands: int = Field(default=1, ge=0, le=2)


@cache
def _account_groups(types: str) -> AccountGroups:
    return AccountGroups(_listed(types))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


@cache
def load_profile(name: str = "default") -> Profile:
    """Read a shipped profile. Raises `ProfileInvalid`, which says what to change in the file."""
    return parse_profile(yaml.safe_load((_PROFILES / f"{name}.yml").read_text()))


@cache
def shipped_profiles() -> Mapping[str, str]:
    """Return the text of each shipped profile, by its name."""
    return {path.stem: path.read_text() for path in sorted(_PROFILES.glob("*.yml"))}


@cache
def load_catalogue(own: Path | None = None) -> Catalogue:
    """Read the shipped types of signals and the company's own.

    ``own``: a file or a folder; default is what the settings name. Raises `SignalsInvalid`, which
    says what to change in which file.
    """
    files = [*sorted(_SIGNALS.glob("*.yml")), *_files(own or SignalSettings().signals)]
    return parse_catalogue((path.name, _read(path, SignalsInvalid)) for path in files)


@cache
def load_mappings(own: Path | None = None) -> Mapping[str, SenderMapping]:
    """Read the shipped mappings of webhooks and the company's own, by name.

    Raises `MappingInvalid`, which says what to change in which file.
    """
    files = [*sorted(_MAPPINGS.glob("*.yml")), *_files(own or SignalSettings().mappings)]
    return {
        path.stem: parse_mapping(path.stem, _read(path, MappingInvalid), load_catalogue())
        for path in files
    }


def _files(place: Path | None) -> list[Path]:
    if place is None:
        return []
    return sorted(place.glob("*.yml")) if place.is_dir() else [place]


class KeyWrittenTwice(yaml.MarkedYAMLError):
    """A mapping has a key twice: YAML would keep the last and silently drop the first."""


class UniqueKeyLoader(yaml.SafeLoader):
    """Safe YAML that refuses a key that is written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - the signature is PyYAML's
        """Build a mapping. Raises `KeyWrittenTwice`, which has the place."""
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                problem = f"{key.value} is written twice; keep one, or give one another name"
                raise KeyWrittenTwice(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _read(path: Path, refusal: type[SignalsInvalid | MappingInvalid]) -> dict[str, Any]:
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), UniqueKeyLoader)  # noqa: S506 - safe
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise refusal(f"{path.name}: cannot be read: {error}") from None
    if not isinstance(document, dict):
        raise refusal(f"{path.name}: write a mapping of names to values")
    return document
