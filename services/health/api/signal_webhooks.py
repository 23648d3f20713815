"""Webhooks of other systems as signals, and what waits to know whose it is."""

import json
from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from services.health.api.shapes import BodyAccountId, Reader, Writer
from services.health.domain.signal.catalogue import SignalValueInvalid
from services.health.domain.signal.mapping import (
    MappedEvent,
    SenderMapping,
    WebhookUnreadable,
    read_webhook,
)
from services.health.domain.signal.reading_mapping import URL_PART
from services.health.domain.signal.signature import BadSignature, SchemeKind, verify
from services.health.settings import Settings
from services.health.storage.signal import external_ids
from services.health.storage.signal.external_ids import Unmatched
from services.health.usecases.files.files import load_mappings
from services.health.usecases.signal.senders import (
    UnmatchedNotFound,
    attribute_unmatched,
    name_account,
    take_webhook,
)
from services.health.usecases.signal.signals import UnknownSignalType
from shared.db.transaction import Row
from shared.kernel.errors import Kind, NotFound, Refusal
from shared.observability.metrics import SIGNAL_WEBHOOKS
from shared.web.deps import Tx
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import ForeignRoute, api_router

router = api_router("/api/v1", tags=["signal webhooks"])
senders = api_router("/api/v1", tags=["signal webhooks"], route_class=ForeignRoute)
_NAME = f"^{URL_PART}$"
_EXTERNAL = r"^[^\x00-\x1f\x7f-\x9f]{1,200}$"
System = Annotated[str, Path(pattern=_NAME, description="Such as stripe.")]
ExternalId = Annotated[str, Path(pattern=_EXTERNAL, description="Such as cus_9s6XKzkNRiz8i3.")]


class MappingNotFound(NotFound):
    """There is no mapping of this name."""


class WebhookNotSetUp(Refusal):
    """No secret is set for this sender, so nobody can be believed."""

    kind = Kind.UNAVAILABLE


class ExternalIdNotFound(NotFound):
    """Nobody has said which account this id means."""


class WebhookTaken(BaseModel):
    """What became of a webhook. Nothing recorded is no failure: do not send it again."""

    recorded: int = Field(description="Signals recorded.")
    repeated: int = Field(description="Signals that were recorded before.")
    unmatched: int = Field(description="Signals that wait until their account is known.")
    ignored: bool = Field(description="True when no event in it means a signal.")


class ExternalAccount(BaseModel):
    """The account that another system means."""

    model_config = ConfigDict(extra="forbid")

    account_id: BodyAccountId


class ExternalIdView(ExternalAccount):
    """An id of another system, and the account it means."""

    system: str
    external_id: str
    set_at: datetime
    set_by: str


class ExternalIdSet(ExternalIdView):
    """What is known now, how many signals that had waited for it are recorded, and are not yet.

    Send the same again while some are `waiting`.
    """

    recorded: int
    waiting: int


class ExternalName(BaseModel):
    """How a sender names an account."""

    system: str
    id: str


class UnmatchedView(BaseModel):
    """A signal that waits: for its account to be known, or for a person to look at its value."""

    id: int
    source: str
    type: str
    value: float | str | None
    observed_at: datetime
    received_at: datetime
    externals: list[ExternalName]
    code: str
    message: str


class AttributionDone(BaseModel):
    """Whether the signal is new to the account."""

    recorded: bool


async def mapped_events(
    request: Request, mapping: Annotated[str, Path(pattern=_NAME)]
) -> tuple[SenderMapping, tuple[MappedEvent, ...]]:
    """Return what a webhook says, once its signature is known to be good."""
    found = load_mappings().get(mapping)
    if found is None:
        raise MappingNotFound(f"there is no mapping {mapping!r}; see docs/signals.md")
    settings: Settings = request.app.state.settings
    now = request.app.state.clock.now()
    body, headers = await request.body(), dict(request.headers)
    try:
        verify(found.scheme, _secrets(found, settings), headers, body, now)
    except BadSignature:
        SIGNAL_WEBHOOKS.labels(found.name, "bad_signature").inc()
        raise
    return found, read_webhook(found, _json(body), headers, now)


@senders.post(
    "/signal-webhooks/{mapping}",
    responses=responses(MappingNotFound, WebhookNotSetUp, BadSignature, WebhookUnreadable),
)
async def receive_signal_webhook(
    read: Annotated[tuple[SenderMapping, tuple[MappedEvent, ...]], Depends(mapped_events)], tx: Tx
) -> WebhookTaken:
    """Take a webhook of another system; its mapping says what it means.

    The same event again is one signal. An event that means nothing here is answered with 200: a
    sender would send anything else again and again. A body may be an array of events.
    """
    mapping, events = read
    taken = await take_webhook(tx, mapping, events)
    for outcome, count in taken._asdict().items():
        SIGNAL_WEBHOOKS.labels(mapping.name, outcome).inc(count)
    SIGNAL_WEBHOOKS.labels(mapping.name, "ignored").inc(sum(not each.signals for each in events))
    is_ignored = not any(each.signals for each in events)
    return WebhookTaken(**taken._asdict(), ignored=is_ignored)


@router.put("/external-ids/{system}/{external_id:path}")
async def set_external_id(
    system: System, external_id: ExternalId, body: ExternalAccount, who: Writer, tx: Tx
) -> ExternalIdSet:
    """Say which account another system means by an id; signals that waited for it are recorded."""
    pair = (system, external_id)
    named = await name_account(tx, pair, body.account_id, who.name)
    return ExternalIdSet(
        system=system,
        external_id=external_id,
        account_id=body.account_id,
        set_at=tx.now,
        set_by=who.name,
        **named._asdict(),
    )


@router.delete(
    "/external-ids/{system}/{external_id:path}",
    status_code=204,
    responses=responses(ExternalIdNotFound),
)
async def forget_external_id(system: System, external_id: ExternalId, _who: Writer, tx: Tx) -> None:
    """Forget which account an id means; signals recorded for it stay."""
    if not await external_ids.forget(tx, system, external_id):
        raise ExternalIdNotFound


@router.get("/external-ids", responses=responses(InvalidCursor))
async def list_external_ids(
    _who: Reader, tx: Tx, paging: PageQuery, system: Annotated[str | None, Query()] = None
) -> Page[ExternalIdView]:
    """List which accounts other systems mean by their ids."""
    after = paging.after(system=str, external_id=str)
    last = (after["system"], after["external_id"]) if after else None
    rows = await external_ids.listed(tx, system=system, after=last, limit=paging.fetch)
    return paging.page(
        rows,
        item=lambda row: ExternalIdView(**{n: row[n] for n in ExternalIdView.model_fields}),
        key=lambda row: {"system": row["system"], "external_id": row["external_id"]},
    )


@router.get("/unmatched-signals", responses=responses(InvalidCursor))
async def list_unmatched_signals(_who: Reader, tx: Tx, paging: PageQuery) -> Page[UnmatchedView]:
    """List signals that wait for somebody to say whose they are, newest first."""
    after = paging.after(id=int)
    rows = await external_ids.waiting(tx, before=after["id"] if after else None, limit=paging.fetch)
    return paging.page(rows, item=_unmatched, key=lambda pair: {"id": pair[0]["id"]})


@router.post(
    "/unmatched-signals/{unmatched_id}/attribute",
    responses=responses(UnmatchedNotFound, UnknownSignalType, SignalValueInvalid),
)
async def attribute_signal(
    unmatched_id: Annotated[int, Path(ge=1, lt=2**63)], body: ExternalAccount, _who: Writer, tx: Tx
) -> AttributionDone:
    """Record one waiting signal for an account."""
    return AttributionDone(recorded=await attribute_unmatched(tx, unmatched_id, body.account_id))


def _secrets(mapping: SenderMapping, settings: Settings) -> list[str]:
    if mapping.scheme.kind is SchemeKind.NONE:
        if settings.environment == "production":
            raise WebhookNotSetUp("scheme none is for development; sign the webhooks")
        return []
    secrets = settings.health_webhook_secrets.get(mapping.name, ())
    if not secrets:
        wanted = json.dumps({mapping.name: "..."})
        raise WebhookNotSetUp(f"set TENURE_HEALTH_WEBHOOK_SECRETS, such as {wanted}")
    return [secret.get_secret_value() for secret in secrets]


def _json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WebhookUnreadable(f"the body is not JSON: {error}") from None


def _unmatched(pair: tuple[Row, Unmatched]) -> UnmatchedView:
    row, unmatched = pair
    return UnmatchedView(
        id=row["id"],
        received_at=row["received_at"],
        externals=[ExternalName(system=system, id=each) for system, each in unmatched.externals],
        **{
            name: getattr(unmatched, name)
            for name in ("source", "type", "value", "observed_at", "code", "message")
        },
    )
