"""Settings of health."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.health.domain.usage.account_group import AccountGroups
from shared.web.settings import ServiceSettings

_SHORTEST_SECRET = 8
_SECRETS_EXAMPLE = '{"stripe": "whsec_..."}'
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

    # The secrets of webhooks by mapping: {"stripe": "whsec_..."}; two, with a space between them
    # or as a list, while one is being replaced. In a list each is taken whole, spaces and all.
    health_webhook_secrets: Annotated[Mapping[str, Sequence[SecretStr]], NoDecode] = Field(
        default_factory=dict
    )
    # Which types of group are accounts, the most wanted first; * is any other, if it is alone.
    account_group_types: str = "company,account,organization,*"

    # The most that a body of events may have, unpacked.
    ingest_body_bytes: int = Field(default=6 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024)

    # The origins of pages whose browsers may send events, with commas between them; * is any.
    ingest_origins: str = ""

    @field_validator("health_webhook_secrets", mode="before")
    @classmethod
    def _are_secrets(cls, value: object) -> Mapping[str, Sequence[str]]:
        return read_secrets(value)

    @field_validator("ingest_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        for origin in _listed(value):
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(f"write origins such as https://app.example, or *, not {origin!r}")
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


def _path_or_none(value: object) -> object:
    # The path of an empty text would be the folder that the service happens to be started in.
    return value or None


FromFiles = Annotated[Path | None, BeforeValidator(_path_or_none)]


class SignalSettings(BaseSettings):
    """What signals and disagreements are judged by, from ``TENURE_HEALTH_*`` variables."""

    model_config = SettingsConfigDict(env_prefix="TENURE_HEALTH_", extra="ignore", frozen=True)

    # A file, or a folder of files, with types of signals of the company's own.
    signals: FromFiles = None
    # A folder with mappings of the company's own, from a sender's webhooks to signals.
    mappings: FromFiles = None
    # How many bands the pulse and the score may lie apart before it is a disagreement.
    disagreement_bands: int = Field(default=1, ge=0, le=2)


def read_secrets(value: object) -> Mapping[str, Sequence[str]]:
    """Read the secrets of webhooks, from JSON text. Raises ValueError, which holds none of them."""
    try:
        given = json.loads(value or "{}") if isinstance(value, str) else value
    except ValueError:
        given = None
    if not isinstance(given, Mapping):
        raise ValueError(f"write JSON such as {_SECRETS_EXAMPLE}")  # noqa: TRY004 - as pydantic wants it
    return {str(name): _secrets_of(str(name), secrets) for name, secrets in given.items()}


def _secrets_of(name: str, given: object) -> Sequence[str]:
    secrets = given.split() if isinstance(given, str) else given
    if not isinstance(secrets, list) or not all(isinstance(one, str) for one in secrets):
        raise ValueError(f"{name}: write a text or a list of texts")
    if not secrets or any(len(one) < _SHORTEST_SECRET for one in secrets):
        raise ValueError(
            f"{name}: a secret has at least {_SHORTEST_SECRET} characters; write one that has "
            f'spaces in it in a list, such as {{"{name}": ["Basic dGVudXJl..."]}}'
        )
    return secrets


@cache
def _account_groups(types: str) -> AccountGroups:
    return AccountGroups(_listed(types))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
