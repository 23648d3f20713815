"""Webhook endpoints: made, changed, rotated, disabled."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from services.notifications.domain.endpoint import (
    Endpoint,
    EndpointDisabled,
    EndpointNotFound,
    SigningKey,
    checked_url,
    rotated,
)
from services.notifications.domain.kinds import checked_patterns
from services.notifications.gateways.vault import Vault
from services.notifications.storage import deliveries, endpoints
from shared.db.transaction import Transaction
from shared.kernel.ids import new_id

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class EndpointOrder:
    """What is asked of an endpoint; None leaves as it is. ``is_enabled`` counts for changes."""

    url: str | None = None
    description: str | None = None
    events: Sequence[str] | None = None
    is_enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class NewSecret:
    """An endpoint with the only showing of its newest secret."""

    endpoint: Endpoint
    secret: str = field(repr=False)


async def add_endpoint(
    tx: Transaction, url: str, order: EndpointOrder, *, allow_private: bool, vault: Vault
) -> NewSecret:
    """Make an endpoint. Raises `InvalidUrl`, `PrivateUrl` or `UnknownEvent`."""
    endpoint = Endpoint(
        id=new_id(),
        url=checked_url(url, allow_private=allow_private),
        description=order.description or "",
        events=checked_patterns(order.events or ()),
        disabled_because=None,
        version=1,
        created_at=tx.now,
        updated_at=tx.now,
    )
    await endpoints.add(tx, endpoint)
    secret = _new_secret()
    await endpoints.save_keys(tx, endpoint.id, [_sealed(tx, endpoint, secret, vault)])
    return NewSecret(endpoint, secret)


async def change_endpoint(
    tx: Transaction, before: Endpoint, order: EndpointOrder, *, allow_private: bool
) -> Endpoint:
    """Change an endpoint that is locked. Raises `InvalidUrl`, `PrivateUrl` or `UnknownEvent`.

    Disabling calls off what waits for it.
    """
    after = replace(
        before,
        url=before.url
        if order.url is None
        else checked_url(order.url, allow_private=allow_private),
        description=before.description if order.description is None else order.description,
        events=before.events if order.events is None else checked_patterns(order.events),
        disabled_because=_disabled_because(before, order),
        version=before.version + 1,
        updated_at=tx.now,
    )
    await endpoints.save(tx, after)
    if not after.is_enabled:
        await deliveries.suppress_all(tx, str(after.id), "the endpoint is disabled")
    return after


async def remove_endpoint(tx: Transaction, endpoint_id: UUID) -> None:
    """Forget an endpoint; its log stays. Raises `EndpointNotFound`."""
    if not await endpoints.remove(tx, endpoint_id):
        raise EndpointNotFound
    await deliveries.suppress_all(tx, str(endpoint_id), "the endpoint was deleted")


async def rotate_secret(tx: Transaction, endpoint_id: UUID, vault: Vault) -> NewSecret:
    """Give an endpoint a new secret; the one before signs beside it for 24 h.

    One that the vault cannot open ends at once: a lost vault key is repaired by rotating.
    Raises `EndpointNotFound`.
    """
    endpoint = await locked(tx, endpoint_id)
    keys = await endpoints.keys(tx, endpoint_id, tx.now)
    usable = [key for key in keys if vault.opens(key, endpoint_id=endpoint_id)]
    lost = [key.ended(tx.now) for key in keys if key not in usable]
    secret = _new_secret()
    after = rotated(usable, _sealed(tx, endpoint, secret, vault))
    await endpoints.save_keys(tx, endpoint_id, [*lost, *after])
    return NewSecret(endpoint, secret)


async def ready_to_send(
    tx: Transaction, endpoint_id: UUID
) -> tuple[Endpoint, Sequence[SigningKey]]:
    """Return an endpoint with its keys. Raises `EndpointNotFound` or `EndpointDisabled`."""
    endpoint = await endpoints.by_id(tx, endpoint_id)
    if endpoint is None:
        raise EndpointNotFound
    if not endpoint.is_enabled:
        raise EndpointDisabled
    return endpoint, await endpoints.keys(tx, endpoint_id, tx.now)


async def disable(tx: Transaction, endpoint_id: UUID, because: str) -> None:
    """Stop sending to an endpoint, if it is still there, and call off what waits for it."""
    endpoint = await endpoints.by_id(tx, endpoint_id, lock=True)
    if endpoint is not None and endpoint.is_enabled:
        await endpoints.save(tx, endpoint.disabled(because, tx.now))
        await deliveries.suppress_all(tx, str(endpoint_id), because)


async def locked(tx: Transaction, endpoint_id: UUID) -> Endpoint:
    """Return an endpoint, locked until the transaction ends. Raises `EndpointNotFound`."""
    endpoint = await endpoints.by_id(tx, endpoint_id, lock=True)
    if endpoint is None:
        raise EndpointNotFound
    return endpoint


def _disabled_because(before: Endpoint, order: EndpointOrder) -> str | None:
    if order.is_enabled is None:
        return before.disabled_because
    return None if order.is_enabled else before.disabled_because or "disabled by request"


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _sealed(tx: Transaction, endpoint: Endpoint, secret: str, vault: Vault) -> SigningKey:
    key_id = new_id()
    sealed = vault.seal(secret, endpoint_id=endpoint.id, key_id=key_id)
    return SigningKey(id=key_id, sealed=sealed, created_at=tx.now)
