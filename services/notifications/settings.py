"""What notifications needs to start."""

import base64
from email.utils import parseaddr
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from shared.web.settings import ServiceSettings

_STARTTLS = {None: None, "1": True, "0": False}
_KEY_BYTES = 32
# Everybody knows it: it seals nothing worth keeping, and production refuses it.
_DEVELOPMENT_KEY = base64.b64encode(b"tenure-development-key-not-safe!").decode()


class SmtpServer(BaseModel):
    """A mail server. ``starttls``: True insists, False forbids, None takes it when offered."""

    model_config = ConfigDict(frozen=True)

    host: str
    port: int
    username: str | None = None
    password: str | None = Field(default=None, repr=False)
    starttls: bool | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read ``smtp://[user:pass@]host[:port][?starttls=1|0]``. Raises ValueError."""
        parts = urlsplit(url)
        options = parse_qs(parts.query, strict_parsing=bool(parts.query))
        wish = options.pop("starttls", [None])[0]
        if parts.scheme != "smtp" or not parts.hostname or options or wish not in _STARTTLS:
            raise ValueError("write smtp://[user:pass@]host[:port][?starttls=1]")
        return cls(
            host=parts.hostname,
            port=parts.port or 25,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            starttls=_STARTTLS[wish],
        )


class Settings(ServiceSettings):
    """Settings of the notifications service."""

    # Not in the repr: it may hold a password.
    smtp_url: str = Field(default="smtp://localhost:25", repr=False)
    mail_from: str = Field(default="Tenure <tenure@localhost>")
    webhook_allow_private: bool = False
    # Seals the signing secrets of webhooks: 32 bytes in base64. Whoever loses it has to rotate
    # the secret of every endpoint.
    webhook_secret_key: SecretStr = SecretStr(_DEVELOPMENT_KEY)

    @field_validator("mail_from")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if "@" not in parseaddr(value)[1]:
            raise ValueError("write an address, such as Tenure <tenure@example.com>")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _is_smtp(cls, value: str) -> str:
        SmtpServer.parse(value)
        return value

    @field_validator("webhook_secret_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        try:
            key = base64.b64decode(text, validate=True)
        except ValueError:
            key = b""
        # One spelling only, so that a key everybody knows cannot pass in another.
        if len(key) != _KEY_BYTES or base64.b64encode(key).decode() != text:
            raise ValueError(
                "TENURE_WEBHOOK_SECRET_KEY must be 32 bytes in base64; "
                "make one with: head -c 32 /dev/urandom | base64"
            )
        return value

    @property
    def vault_key(self) -> bytes:
        """The key that seals signing secrets, 32 bytes."""
        return base64.b64decode(self.webhook_secret_key.get_secret_value())

    @property
    def smtp(self) -> SmtpServer:
        """The mail server."""
        return SmtpServer.parse(self.smtp_url)
