"""What routes ask for: a transaction, and to know who calls."""

import base64
import binascii
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.security import APIKeyHeader, HTTPBearer, SecurityScopes

from shared.auth.key_ring import KeyRing
from shared.auth.principal import InvalidApiKey, Principal, Unauthenticated
from shared.auth.scopes import SCOPES
from shared.db.transaction import Database, Transaction
from shared.web import idempotency

_BEARER = HTTPBearer(auto_error=False, scheme_name="bearer", description="An API key")
_HEADER = APIKeyHeader(
    name="X-Api-Key", auto_error=False, scheme_name="api_key", description="An API key"
)


async def identify(request: Request) -> Principal | None:
    """Return who calls, or None for nobody and for a key that opens nothing."""
    secret = presented_secret(request)
    key_ring: KeyRing = request.app.state.key_ring
    return await key_ring.authenticate(secret) if secret else None


Caller = Annotated[Principal | None, Depends(identify)]


async def transaction(request: Request, caller: Caller) -> AsyncIterator[Transaction]:
    """Open the transaction of a request; commit before its response is sent.

    A POST with an ``Idempotency-Key`` that was already done ends here, with the stored response.
    """
    database: Database = request.app.state.database
    # A body that comes slowly must not keep a connection to the database waiting for it.
    await request.body()
    async with database.transaction() as tx:
        await idempotency.begin(tx, request, caller)
        yield tx


# Scope "function" is what makes the commit come before the response: a plain yield dependency
# ends after it, and a failed commit would still have answered 200.
Tx = Annotated[Transaction, Depends(transaction, scope="function")]


async def require_scopes(
    request: Request,
    scopes: SecurityScopes,
    caller: Caller,
    _bearer: Annotated[Any, Depends(_BEARER)],  # these two only describe the keys in OpenAPI
    _header: Annotated[Any, Depends(_HEADER)],
) -> Principal:
    """Return who calls; raise `Unauthenticated`, `InvalidApiKey` or `MissingScope`."""
    if caller is None:
        raise InvalidApiKey if presented_secret(request) else Unauthenticated
    for scope in scopes.scopes:
        caller.require(scope)
    return caller


def authorize(scope: str) -> Any:
    """Return a dependency that lets only keys with a scope pass, and yields the `Principal`.

    ``principal: Annotated[Principal, authorize("health:read")]``, or in a router's dependencies.
    """
    if scope not in SCOPES:
        raise ValueError(f"unknown scope {scope}")
    return Security(require_scopes, scopes=[scope])


def asked_by(dependant: Dependant | None) -> list[Any]:
    """Return the dependencies of a route in the order in which they are asked for."""
    if dependant is None:
        return []
    below = (asked_by(each) for each in dependant.dependencies)
    return [*(call for calls in below for call in calls), dependant.call]


def presented_secret(request: Request) -> str | None:
    """Return the key a request carries: Bearer, Basic with the key as user, or X-Api-Key."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip() or None
    if scheme.lower() == "basic":
        return _basic_user(value.strip())
    return request.headers.get("x-api-key") or None


def _basic_user(value: str) -> str | None:
    try:
        decoded = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return decoded.partition(":")[0] or None
