"""Webhook endpoints and, apart from them, their signing keys, sealed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.notifications.domain.endpoint import Endpoint, SigningKey
from shared.db.transaction import Transaction

_COLUMNS = "id, url, description, events, disabled_because, version, created_at, updated_at"


async def add(tx: Transaction, endpoint: Endpoint) -> None:
    """Keep a new endpoint."""
    await tx.execute(
        f"INSERT INTO webhook_endpoints ({_COLUMNS}) VALUES (:id, :url, :description, "
        "CAST(:events AS text[]), :disabled_because, :version, :created_at, :updated_at)",
        **_params(endpoint),
        created_at=endpoint.created_at,
    )


async def save(tx: Transaction, after: Endpoint) -> None:
    """Keep a changed endpoint."""
    await tx.execute(
        "UPDATE webhook_endpoints SET url = :url, description = :description, "
        "events = CAST(:events AS text[]), disabled_because = :disabled_because, "
        "version = :version, updated_at = :updated_at WHERE id = :id",
        **_params(after),
    )


async def remove(tx: Transaction, endpoint_id: UUID) -> bool:
    """Forget an endpoint, its keys and its subscriptions; False when there is none."""
    removed = await tx.execute("DELETE FROM webhook_endpoints WHERE id = :id", id=endpoint_id)
    return removed == 1


async def by_id(tx: Transaction, endpoint_id: UUID, *, lock: bool = False) -> Endpoint | None:
    """Return an endpoint."""
    row = await tx.fetch_one(
        f"SELECT {_COLUMNS} FROM webhook_endpoints WHERE id = :id{' FOR UPDATE' if lock else ''}",
        id=endpoint_id,
    )
    return _endpoint(row) if row else None


async def enabled(tx: Transaction) -> Sequence[Endpoint]:
    """Return all endpoints that are sent to."""
    rows = await tx.fetch_all(
        f"SELECT {_COLUMNS} FROM webhook_endpoints WHERE disabled_because IS NULL ORDER BY id"
    )
    return [_endpoint(row) for row in rows]


async def listed(tx: Transaction, *, before: UUID | None, limit: int) -> Sequence[Endpoint]:
    """Return endpoints, newest first."""
    rows = await tx.fetch_all(
        f"SELECT {_COLUMNS} FROM webhook_endpoints "
        "WHERE CAST(:before AS uuid) IS NULL OR id < :before ORDER BY id DESC LIMIT :limit",
        before=before,
        limit=limit,
    )
    return [_endpoint(row) for row in rows]


async def keys(tx: Transaction, endpoint_id: UUID, at: datetime) -> Sequence[SigningKey]:
    """Return the keys of an endpoint that sign at a moment, newest first."""
    rows = await tx.fetch_all(
        "SELECT id, secret AS sealed, created_at, expires_at FROM webhook_keys "
        "WHERE endpoint_id = :id AND (expires_at IS NULL OR expires_at > :at) "
        "ORDER BY created_at DESC, id DESC",
        id=endpoint_id,
        at=at,
    )
    return [SigningKey(**row) for row in rows]


async def save_keys(tx: Transaction, endpoint_id: UUID, keys: Iterable[SigningKey]) -> None:
    """Keep new keys, and when older ones end."""
    await tx.execute_many(
        "INSERT INTO webhook_keys (endpoint_id, id, secret, created_at, expires_at) "
        "VALUES (:endpoint_id, :id, :secret, :created_at, :expires_at) "
        "ON CONFLICT (endpoint_id, id) DO UPDATE SET expires_at = EXCLUDED.expires_at",
        [
            {
                "endpoint_id": endpoint_id,
                "id": key.id,
                "secret": key.sealed,
                "created_at": key.created_at,
                "expires_at": key.expires_at,
            }
            for key in keys
        ],
    )
    await tx.execute(
        "DELETE FROM webhook_keys WHERE endpoint_id = :id AND expires_at <= :now",
        id=endpoint_id,
        now=tx.now,
    )


def _params(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "description": endpoint.description,
        "events": list(endpoint.events),
        "disabled_because": endpoint.disabled_because,
        "version": endpoint.version,
        "updated_at": endpoint.updated_at,
    }


def _endpoint(row: Mapping[Any, Any]) -> Endpoint:
    columns: dict[str, Any] = {str(name): row[name] for name in row}
    return Endpoint(**{**columns, "events": tuple(row["events"])})
