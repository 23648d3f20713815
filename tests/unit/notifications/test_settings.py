"""What notifications needs to start."""

import base64
from typing import Any

import pytest
from pydantic import ValidationError

from services.notifications.settings import Settings
from tests.builders.notifications import VAULT_KEY

WELL_KNOWN = base64.b64encode(b"tenure-development-key-not-safe!").decode()


def production(**given: Any) -> Settings:
    url = "postgresql://u:long-and-random@db/t"
    return Settings(environment="production", database_url=url, **given)


def test_development_has_a_key_that_everybody_knows() -> None:
    assert Settings().vault_key == b"tenure-development-key-not-safe!"


def test_production_starts_with_a_key_of_its_own() -> None:
    assert len(production(webhook_secret_key=VAULT_KEY).vault_key) == 32


@pytest.mark.parametrize("given", [{}, {"webhook_secret_key": WELL_KNOWN}])
def test_production_refuses_the_key_of_development(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="well known: set TENURE_WEBHOOK_SECRET_KEY"):
        production(**given)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "k\u00e9y",
        base64.b64encode(bytes(31)).decode(),
        base64.b64encode(bytes(33)).decode(),
        WELL_KNOWN + "\n",
        WELL_KNOWN.rstrip("="),
        # The same bytes, spelled otherwise: the bits that padding ignores.
        WELL_KNOWN[:-2] + chr(ord(WELL_KNOWN[-2]) + 1) + "=",
    ],
)
def test_what_is_not_32_bytes_in_base64_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValidationError, match="must be 32 bytes in base64") as error:
        Settings(webhook_secret_key=text)
    assert not text or repr(text) not in str(error.value)


def test_the_key_is_not_shown() -> None:
    assert VAULT_KEY not in repr(Settings(webhook_secret_key=VAULT_KEY))
