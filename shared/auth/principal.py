"""The caller of a request, once known."""

from dataclasses import dataclass
from uuid import UUID

from shared.auth import scopes
from shared.kernel.errors import Forbidden, Kind, Refusal


class Unauthenticated(Refusal):
    """Send an API key, as `Authorization: Bearer <key>` or `X-Api-Key: <key>`."""

    kind = Kind.UNAUTHENTICATED


class InvalidApiKey(Unauthenticated):
    """The API key is unknown, expired or revoked."""


class MissingScope(Forbidden):
    """The key used lacks a scope."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling: a key, the source of the usage events it writes, and what it may do."""

    key_id: UUID
    name: str
    source: str
    scopes: frozenset[str]

    def allows(self, scope: str) -> bool:
        """Tell whether the principal may do what the scope names."""
        return scopes.allow(self.scopes, scope)

    def require(self, scope: str) -> None:
        """Raise `MissingScope` when the principal may not do what the scope names."""
        if not self.allows(scope):
            raise MissingScope(f"The key used lacks the scope {scope}.", required_scope=scope)
