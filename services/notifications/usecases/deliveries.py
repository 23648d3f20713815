"""Sending: picking up what is due, and recording what came of it.

Nothing is sent inside a transaction: one picks up, the door sends, another one records.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from services.notifications.domain.delivery import (
    Delivery,
    DeliveryNotFound,
    Missed,
    Outcome,
    Status,
)
from services.notifications.domain.endpoint import (
    Endpoint,
    EndpointDisabled,
    EndpointNotFound,
    SigningKey,
)
from services.notifications.domain.subscription import Channel
from services.notifications.storage import deliveries, endpoints, inbox
from services.notifications.storage.deliveries import Parcel
from services.notifications.usecases import alerts
from services.notifications.usecases.endpoints import disable
from shared.contracts.notifications import NotificationFailed
from shared.db.transaction import Transaction
from shared.observability.metrics import DELIVERIES


@dataclass(frozen=True, slots=True)
class WebhookParcel:
    """A parcel for an endpoint, with the keys that sign it."""

    parcel: Parcel
    endpoint: Endpoint
    keys: Sequence[SigningKey] = field(repr=False)


async def pick_up_mail(tx: Transaction, busy: Sequence[str]) -> Parcel | None:
    """Lease the e-mail that is due the longest; None when none is."""
    return await _pick_up(tx, Channel.EMAIL, busy)


async def pick_up_webhook(tx: Transaction, busy: Sequence[str]) -> WebhookParcel | None:
    """Lease the webhook that is due the longest, passing over endpoints that are no more."""
    while parcel := await _pick_up(tx, Channel.WEBHOOK, busy):
        endpoint_id = UUID(parcel.delivery.recipient)
        endpoint = await endpoints.by_id(tx, endpoint_id)
        if endpoint is not None and endpoint.is_enabled:
            return WebhookParcel(parcel, endpoint, await endpoints.keys(tx, endpoint_id, tx.now))
        dropped = replace(
            parcel.delivery,
            status=Status.SUPPRESSED,
            next_attempt_at=None,
            lease_until=None,
            last_error="the endpoint is disabled or deleted",
        )
        await deliveries.save(tx, dropped)
    return None


async def deliver_held(tx: Transaction) -> bool:
    """Put the next message that was held, or is replayed, into an inbox; False when none is due."""
    parcel = await deliveries.claim(tx, Channel.INBOX)
    if parcel is None:
        return False
    await inbox.lock(tx, [parcel.delivery.recipient])
    await deliveries.save(tx, await alerts.put_into_inbox(tx, parcel.message, parcel.delivery))
    return True


async def record(tx: Transaction, parcel: Parcel, outcome: Outcome, *, jitter: float) -> Delivery:
    """Keep what came of an attempt; say so when it was the last.

    Nothing is kept when the lease ran out and somebody else is sending it by now.
    """
    before = parcel.delivery
    after = before.after(outcome, at=tx.now, jitter=jitter)
    if not await deliveries.save(tx, after, leased=before.attempts):
        return before
    DELIVERIES.labels(after.channel.value, after.status.value).inc()
    if after.status is Status.DELIVERED:
        alerts.emit_delivered(tx, parcel.message, after)
    elif after.status is Status.FAILED:
        _emit_failed(tx, parcel, after)
    if isinstance(outcome, Missed) and outcome.is_gone and after.channel is Channel.WEBHOOK:
        await disable(tx, UUID(after.recipient), "the receiver answered 410 Gone")
    return after


async def replay(tx: Transaction, delivery_id: UUID) -> Delivery:
    """Start a delivery that has ended over, under the same id.

    Raises `DeliveryNotFound`, `DeliveryUnderWay`, `NobodyToTell`, `EndpointNotFound` or
    `EndpointDisabled`.
    """
    before = await deliveries.by_id(tx, delivery_id)
    if before is None:
        raise DeliveryNotFound
    after = before.replayed(tx.now)
    if after.channel is Channel.WEBHOOK:
        endpoint = await endpoints.by_id(tx, UUID(after.recipient))
        if endpoint is None:
            raise EndpointNotFound
        if not endpoint.is_enabled:
            raise EndpointDisabled
    await deliveries.save(tx, after)
    tx.wake()
    return after


async def _pick_up(tx: Transaction, channel: Channel, busy: Sequence[str]) -> Parcel | None:
    """Lease the delivery that is due the longest; give up those that no sender survives."""
    while parcel := await deliveries.claim(tx, channel, busy=busy):
        if not parcel.delivery.has_run_out:
            return parcel
        cursed = Missed("no attempt ended; the sender died each time", is_final=True)
        await record(tx, parcel, cursed, jitter=0)
    return None


def _emit_failed(tx: Transaction, parcel: Parcel, after: Delivery) -> None:
    tx.emit(
        NotificationFailed(
            account_id=after.account_id,
            delivery_id=str(after.id),
            message_id=str(after.message_id),
            channel=after.channel.value,
            reason=parcel.message.notice.reason,
            error=after.last_error or "",
            attempts=after.attempts,
        )
    )
