"""Settings that every service has, read from ``TENURE_*`` variables."""

from typing import Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_WELL_KNOWN = frozenset({"", "tenure", "postgres", "password", "secret", "changeme", "change-me"})


class ServiceSettings(BaseSettings):
    """What a service needs to start; services add their own fields in a subclass.

    In production it refuses to start while a `SecretStr` field, or the password of the database,
    is empty, well known or what it is by default.
    """

    # An error in one setting must not print the others.
    model_config = SettingsConfigDict(
        env_prefix="TENURE_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    environment: Literal["development", "production"] = "development"
    # Not in the repr: it holds a password.
    database_url: str = Field(default="postgresql://tenure@localhost:5432/tenure", repr=False)
    kafka_bootstrap: str = "localhost:9092"
    # How long a silent replica keeps its partitions, in seconds.
    kafka_session_seconds: float = Field(default=45.0, ge=3.0, le=300.0)
    # Past so many bytes that wait for the broker, callers are told to come back (429).
    max_unacknowledged_bytes: int = Field(default=64 * 1024 * 1024, ge=1)
    # False serves HTTP only, for replicas that answer requests and process nothing.
    workers: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, value: str) -> str:
        if urlsplit(value).scheme not in {"postgresql", "postgres"}:
            raise ValueError("write postgresql://[user:password@]host[:port]/database")
        return value

    @model_validator(mode="after")
    def _refuse_known_secrets(self) -> Self:
        if self.environment == "development":
            return self
        weak = [name for name, value in self._secrets().items() if self._is_weak(name, value)]
        if weak:
            variables = ", ".join(f"TENURE_{name.upper()}" for name in sorted(weak))
            raise ValueError(f"in production no secret may be empty or well known: set {variables}")
        return self

    def _secrets(self) -> dict[str, str]:
        values: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        secrets = {
            name: value.get_secret_value()
            for name, value in values.items()
            if isinstance(value, SecretStr)
        }
        password = _password_of(self.database_url)
        return secrets if password is None else {**secrets, "database_url": password}

    def _is_weak(self, name: str, value: str) -> bool:
        default = type(self).model_fields[name].default
        known = default.get_secret_value() if isinstance(default, SecretStr) else None
        return value.lower() in _WELL_KNOWN or value == known


def settings_in_words(error: ValidationError) -> str:
    """Return what is wrong with settings, a line for each variable, without their values."""
    return "\n".join(_in_words(one["loc"], one["msg"]) for one in error.errors())


def _in_words(location: tuple[int | str, ...], message: str) -> str:
    said = message.removeprefix("Value error, ")
    return f"TENURE_{str(location[0]).upper()}: {said}" if location else said


def _password_of(url: str) -> str | None:
    """Return the password of a database URL; None for a socket, where the kernel vouches."""
    parts = urlsplit(url)
    host = parts.hostname or parse_qs(parts.query).get("host", [""])[0]
    is_socket = not host or host.startswith("/")
    return parts.password or (None if is_socket else "")
