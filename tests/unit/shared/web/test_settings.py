import pytest
from pydantic import SecretStr, ValidationError

from shared.web.settings import ServiceSettings


class Settings(ServiceSettings):
    signing_key: SecretStr = SecretStr("dev-signing-key")


def _production(**values: object) -> Settings:
    good = {"database_url": "postgresql://u:long-and-random@db/t", "signing_key": "long-random"}
    return Settings(environment="production", **{**good, **values})


def test_development_starts_with_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENURE_PORT", "8123")

    assert Settings().port == 8123


def test_production_starts_with_real_secrets() -> None:
    assert _production().signing_key.get_secret_value() == "long-random"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("signing_key", ""),
        ("signing_key", "changeme"),
        ("signing_key", "dev-signing-key"),
        ("database_url", "postgresql://tenure:tenure@db/t"),
        ("database_url", "postgresql://tenure@db/t"),
        ("database_url", "postgresql://tenure@/t?host=db"),
    ],
)
def test_production_refuses_secrets_that_everybody_knows(field: str, value: str) -> None:
    with pytest.raises(ValidationError, match=f"TENURE_{field.upper()}"):
        _production(**{field: value})


@pytest.mark.parametrize("url", ["postgresql://tenure@/t?host=/run/postgresql", "postgresql:///t"])
def test_a_socket_needs_no_password(url: str) -> None:
    assert _production(database_url=url)


def test_secrets_are_not_shown() -> None:
    assert "long" not in repr(_production())
    with pytest.raises(ValidationError) as error:
        _production(database_url="postgresql://u:tenure@db/hunter2", signing_key="hunter3")
    assert "hunter" not in str(error.value)
