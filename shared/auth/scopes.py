"""Scopes: what a key may do.

``usage:write`` writes usage events and nothing else, ``<service>:read`` and ``<service>:write``
open the API of one service, ``admin`` opens everything.
"""

from collections.abc import Iterable

from shared.kernel.errors import Invalid

SERVICES = ("onboarding", "health", "expansion", "renewals", "notifications")
USAGE_WRITE = "usage:write"
ADMIN = "admin"
SCOPES = frozenset(
    {USAGE_WRITE, ADMIN}
    | {f"{service}:{verb}" for service in SERVICES for verb in ("read", "write")}
)


class UnknownScope(Invalid):
    """A key needs at least one scope, and only scopes that exist."""


class MixedScopes(Invalid):
    """A key that writes usage can do nothing else; create a second key for the rest."""


def parse(values: Iterable[str]) -> frozenset[str]:
    """Return scopes that exist and may go together.

    Raises `UnknownScope` or `MixedScopes`.
    """
    scopes = frozenset(value.strip() for value in values)
    unknown = sorted(scopes - SCOPES)
    if unknown or not scopes:
        known = ", ".join(sorted(SCOPES))
        raise UnknownScope(f"{UnknownScope.title()} Known: {known}.", unknown=unknown)
    # Write keys are shipped inside products and logged by proxies: a leak must not open the API.
    if USAGE_WRITE in scopes and len(scopes) > 1:
        raise MixedScopes
    return scopes


def allow(held: frozenset[str], wanted: str) -> bool:
    """Tell whether the scopes held include the one wanted."""
    return wanted in held or ADMIN in held
