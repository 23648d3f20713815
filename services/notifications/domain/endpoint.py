"""Webhook endpoints: where machines are told, and the keys that prove it was us."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Self
from urllib.parse import urlsplit
from uuid import UUID

from services.notifications.domain.addresses import is_public
from services.notifications.domain.kinds import MessageKind, matches
from shared.kernel.errors import Conflict, Invalid, NotFound

OVERLAP = timedelta(hours=24)
"""How long the key before the newest still signs, so that a receiver can change over."""

_LONGEST_URL = 2000


class EndpointNotFound(NotFound):
    """There is no such webhook endpoint."""


class EndpointDisabled(Conflict):
    """The endpoint is disabled; enable it first."""


class InvalidUrl(Invalid):
    """A webhook URL is `https://host/path`, without user name, password or fragment."""


class PrivateUrl(Invalid):
    """Webhooks are sent to public addresses only."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A Standard Webhooks secret (``whsec_...``), sealed; the newest of an endpoint has no end."""

    id: UUID
    sealed: bytes = field(repr=False)
    created_at: datetime
    expires_at: datetime | None = None

    def is_live(self, at: datetime) -> bool:
        """Tell whether it signs at this moment."""
        return self.expires_at is None or self.expires_at > at

    def ended(self, at: datetime) -> Self:
        """Return the key as it signs no more."""
        return replace(self, expires_at=at)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL that messages are posted to.

    ``events`` are the patterns it asks for under the built-in rules; subscriptions may add to
    them. ``disabled_because`` is None while it is enabled.
    """

    id: UUID
    url: str
    description: str
    events: tuple[str, ...]
    disabled_because: str | None
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def is_enabled(self) -> bool:
        """Whether messages are sent to it."""
        return self.disabled_because is None

    def asks_for(self, kind: MessageKind) -> bool:
        """Tell whether the endpoint wants messages of a kind."""
        return self.is_enabled and matches(self.events, kind)

    def disabled(self, because: str, at: datetime) -> Self:
        """Return the endpoint as it is after we stopped sending to it."""
        return replace(self, disabled_because=because, version=self.version + 1, updated_at=at)


def rotated(keys: Sequence[SigningKey], new: SigningKey) -> tuple[SigningKey, ...]:
    """Return an endpoint's keys after a new one came: two live ones, older ones end at once."""
    now = new.created_at
    live = sorted((key for key in keys if key.is_live(now)), key=lambda key: key.created_at)
    ended = [key.ended(now) for key in live[:-1]]
    leaving = [key.ended(_sooner(key.expires_at, now + OVERLAP)) for key in live[-1:]]
    return (*ended, *leaving, new)


def checked_url(text: str, *, allow_private: bool) -> str:
    """Return a URL we are willing to post to. Raises `InvalidUrl` or `PrivateUrl`.

    Names are looked up when something is sent, not here: they may point elsewhere by then.
    ``allow_private`` permits plain http and private addresses, for development.
    """
    host = _host_of(text, ("https", "http") if allow_private else ("https",))
    if not allow_private and not _may_be_public(host):
        raise PrivateUrl
    return text


def _host_of(text: str, schemes: Sequence[str]) -> str:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InvalidUrl from None
    # urlsplit drops tabs and line ends, and other readers of the URL would not.
    is_plain = text.isascii() and text.isprintable() and not set(text) & set(' "<>\\^`{|}')
    has_extras = parts.username is not None or parts.password is not None or parts.fragment
    if not is_plain or len(text) > _LONGEST_URL or has_extras or parts.scheme not in schemes:
        raise InvalidUrl
    if not host:
        raise InvalidUrl
    return host


def _may_be_public(host: str) -> bool:
    name = host.rstrip(".")
    if name == "localhost" or name.endswith((".localhost", ".local", ".internal")):
        return False
    try:
        return is_public(ip_address(host))
    except ValueError:
        return True


def _sooner(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else min(one, other)
