"""Subscriptions: made and ended."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from services.notifications.domain.endpoint import EndpointNotFound
from services.notifications.domain.kinds import checked_patterns
from services.notifications.domain.person import Person, checked_email
from services.notifications.domain.subscription import (
    Channel,
    Filter,
    Recipient,
    Subscription,
    SubscriptionNotFound,
    check_channels,
)
from services.notifications.storage import endpoints, subscriptions
from shared.db.transaction import Transaction
from shared.kernel.ids import new_id


@dataclass(frozen=True, slots=True)
class SubscriptionOrder:
    """Who wants to hear of what, as asked."""

    recipient: Recipient
    channels: Sequence[Channel]
    events: Sequence[str]
    filter: Filter


async def subscribe(tx: Transaction, order: SubscriptionOrder) -> Subscription:
    """Make a subscription.

    Raises `ChannelMismatch`, `UnknownEvent`, `InvalidEmail` or `EndpointNotFound`.
    """
    recipient = order.recipient
    if isinstance(recipient, Person):
        recipient = replace(recipient, email=checked_email(recipient.email))
    if isinstance(recipient, UUID) and await endpoints.by_id(tx, recipient) is None:
        raise EndpointNotFound
    check_channels(recipient, order.channels)
    subscription = Subscription(
        id=new_id(),
        recipient=recipient,
        channels=tuple(dict.fromkeys(order.channels)),
        events=checked_patterns(order.events),
        filter=order.filter,
        created_at=tx.now,
    )
    await subscriptions.add(tx, subscription)
    return subscription


async def unsubscribe(tx: Transaction, subscription_id: UUID) -> None:
    """End a subscription. Raises `SubscriptionNotFound`."""
    if not await subscriptions.remove(tx, subscription_id):
        raise SubscriptionNotFound
