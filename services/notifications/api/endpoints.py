"""Webhook endpoints over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from services.notifications.api.subscriptions import EventPattern
from services.notifications.domain.delivery import Arrived
from services.notifications.domain.endpoint import (
    Endpoint,
    EndpointDisabled,
    EndpointNotFound,
    InvalidUrl,
    PrivateUrl,
)
from services.notifications.domain.kinds import UnknownEvent
from services.notifications.gateways.vault import Vault
from services.notifications.gateways.webhooks import WebhookSender
from services.notifications.settings import Settings
from services.notifications.storage import endpoints as storage
from services.notifications.usecases import endpoints as usecases
from services.notifications.usecases.endpoints import EndpointOrder, NewSecret
from shared.db.transaction import Database
from shared.kernel.clock import Clock
from shared.kernel.ids import new_id
from shared.web.deps import Tx, authorize
from shared.web.etags import (
    IfMatch,
    PreconditionFailed,
    PreconditionRequired,
    check_version,
    set_etag,
)
from shared.web.idempotency import shown_once
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import api_router

router = api_router("/api/v1/webhook_endpoints", tags=["webhooks"])
_READ, _WRITE = [authorize("notifications:read")], [authorize("notifications:write")]

Url = Annotated[
    str, Field(min_length=8, max_length=2000, examples=["https://hooks.vendor.example/tenure"])
]
Description = Annotated[str, Field(max_length=500)]
Events = Annotated[list[EventPattern], Field(max_length=50)]


class NewEndpoint(BaseModel):
    """A URL to post messages to. Without `events` it gets what the built-in rules send."""

    model_config = ConfigDict(extra="forbid")

    url: Url
    description: Description = ""
    events: Events = Field(
        default_factory=lambda: ["*"],
        description="What it asks for; `[]` when subscriptions alone decide.",
    )


class EndpointChange(BaseModel):
    """What is to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    url: Url | None = None
    description: Description | None = None
    events: Events | None = None
    is_enabled: StrictBool | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        values = [getattr(self, name) for name in self.model_fields_set]
        if not values or None in values:
            raise ValueError("Send at least one field, and leave out what stays")
        return self


class EndpointView(BaseModel):
    """A webhook endpoint; never its secret."""

    id: UUID
    url: str
    description: str
    events: list[str]
    is_enabled: bool
    disabled_because: str | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, endpoint: Endpoint) -> Self:
        """Return an endpoint as it is shown."""
        return cls(
            id=endpoint.id,
            url=endpoint.url,
            description=endpoint.description,
            events=list(endpoint.events),
            is_enabled=endpoint.is_enabled,
            disabled_because=endpoint.disabled_because,
            created_at=endpoint.created_at,
            updated_at=endpoint.updated_at,
        )


class EndpointWithSecret(EndpointView):
    """A webhook endpoint and its newest secret, which is shown this once."""

    secret: str = Field(examples=["whsec_..."])

    @classmethod
    def made(cls, new: NewSecret) -> Self:
        """Return an endpoint with its secret."""
        return cls(**EndpointView.of(new.endpoint).model_dump(), secret=new.secret)


async def allow_private(request: Request) -> bool:
    """Return whether this installation posts to private addresses."""
    settings: Settings = request.app.state.settings
    return settings.webhook_allow_private


AllowPrivate = Annotated[bool, Depends(allow_private)]


async def vault(request: Request) -> Vault:
    """Return the vault of this installation."""
    settings: Settings = request.app.state.settings
    return Vault(settings.vault_key)


SecretVault = Annotated[Vault, Depends(vault)]


async def unchanged(tx: Tx, endpoint_id: UUID, expected: IfMatch) -> Endpoint:
    """Return an endpoint, locked. Raises `EndpointNotFound` or `PreconditionFailed`."""
    endpoint = await usecases.locked(tx, endpoint_id)
    check_version(expected, endpoint.version)
    return endpoint


UnchangedEndpoint = Annotated[Endpoint, Depends(unchanged)]


class TestResult(BaseModel):
    """What came of a test send."""

    webhook_id: UUID
    delivered: bool
    response_code: int | None
    error: str | None


@router.post(
    "",
    status_code=201,
    dependencies=[*_WRITE, Depends(shown_once)],
    responses=responses(InvalidUrl, PrivateUrl, UnknownEvent),
)
async def create_webhook_endpoint(
    tx: Tx,
    body: NewEndpoint,
    *,
    private: AllowPrivate,
    secret_vault: SecretVault,
    response: Response,
) -> EndpointWithSecret:
    """Add an endpoint. Its secret is in this answer and in no other.

    The secret is kept encrypted only. Repeated under its `Idempotency-Key`, the request is
    answered 409 `secret_shown_once`, with the `location` of the endpoint it made: if the first
    answer was lost, rotate the secret.
    """
    order = EndpointOrder(description=body.description, events=body.events)
    made = await usecases.add_endpoint(
        tx, body.url, order, allow_private=private, vault=secret_vault
    )
    set_etag(response, made.endpoint.version)
    response.headers["Location"] = f"/api/v1/webhook_endpoints/{made.endpoint.id}"
    return EndpointWithSecret.made(made)


@router.get("", dependencies=_READ, responses=responses(InvalidCursor))
async def list_webhook_endpoints(tx: Tx, page: PageQuery) -> Page[EndpointView]:
    """List endpoints, newest first."""
    after: Any = page.after(id=UUID) or {}
    rows = await storage.listed(tx, before=after.get("id"), limit=page.fetch)
    return page.page(rows, item=EndpointView.of, key=lambda row: {"id": row.id})


@router.get("/{endpoint_id}", dependencies=_READ, responses=responses(EndpointNotFound))
async def get_webhook_endpoint(tx: Tx, endpoint_id: UUID, response: Response) -> EndpointView:
    """Show an endpoint."""
    found = await storage.by_id(tx, endpoint_id)
    if found is None:
        raise EndpointNotFound
    set_etag(response, found.version)
    return EndpointView.of(found)


@router.patch(
    "/{endpoint_id}",
    dependencies=_WRITE,
    responses=responses(
        EndpointNotFound,
        InvalidUrl,
        PrivateUrl,
        UnknownEvent,
        PreconditionFailed,
        PreconditionRequired,
    ),
)
async def change_webhook_endpoint(
    tx: Tx,
    before: UnchangedEndpoint,
    body: EndpointChange,
    *,
    private: AllowPrivate,
    response: Response,
) -> EndpointView:
    """Change an endpoint, disable it, or enable it again."""
    order = EndpointOrder(**body.model_dump())
    after = await usecases.change_endpoint(tx, before, order, allow_private=private)
    set_etag(response, after.version)
    return EndpointView.of(after)


@router.delete(
    "/{endpoint_id}", status_code=204, dependencies=_WRITE, responses=responses(EndpointNotFound)
)
async def delete_webhook_endpoint(tx: Tx, endpoint_id: UUID) -> None:
    """Delete an endpoint with its secrets and subscriptions; its deliveries stay in the log."""
    await usecases.remove_endpoint(tx, endpoint_id)


@router.post(
    "/{endpoint_id}/rotate_secret",
    dependencies=[*_WRITE, Depends(shown_once)],
    responses=responses(EndpointNotFound),
)
async def rotate_webhook_secret(
    tx: Tx, endpoint_id: UUID, secret_vault: SecretVault, response: Response
) -> EndpointWithSecret:
    """Give an endpoint a new secret. For 24 h the one before signs too.

    The secret is in this answer and in no other. Repeated under its `Idempotency-Key`, the
    request is answered 409 `secret_shown_once` and rotates nothing: if the first answer was lost,
    rotate again under a new key.
    """
    rotated = await usecases.rotate_secret(tx, endpoint_id, secret_vault)
    set_etag(response, rotated.endpoint.version)
    return EndpointWithSecret.made(rotated)


@router.post(
    "/{endpoint_id}/test",
    dependencies=_WRITE,
    responses=responses(EndpointNotFound, EndpointDisabled),
)
async def test_webhook_endpoint(
    endpoint_id: UUID, request: Request, private: AllowPrivate, secret_vault: SecretVault
) -> TestResult:
    """Post a signed `webhook.test` now, once, and tell what the receiver answered."""
    database: Database = request.app.state.database
    clock: Clock = request.app.state.clock
    # Not the request's transaction: nothing is sent while one is open.
    async with database.transaction() as tx:
        endpoint, keys = await usecases.ready_to_send(tx, endpoint_id)
    webhook_id = new_id()
    payload = {
        "type": "webhook.test",
        "timestamp": clock.now().isoformat().replace("+00:00", "Z"),
        "data": {"endpoint_id": str(endpoint_id)},
    }
    sender = WebhookSender(secret_vault, allow_private=private)
    outcome = await sender.send(endpoint, keys, message_id=webhook_id, payload=payload)
    return TestResult(
        webhook_id=webhook_id,
        delivered=isinstance(outcome, Arrived),
        response_code=outcome.code,
        error=None if isinstance(outcome, Arrived) else outcome.error,
    )
