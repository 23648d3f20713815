"""What notifications says. No addresses: who was told is looked up by the delivery's id."""

from datetime import datetime
from typing import ClassVar

from shared.contracts.event import Fact


class NotificationDelivered(Fact):
    """A message reached a channel (inbox, email, webhook), once or more under one stable id."""

    event_type: ClassVar[str] = "io.tenure.notifications.notification_delivered.v1"
    delivery_id: str
    message_id: str
    channel: str
    reason: str
    delivered_at: datetime
    attempts: int


class NotificationFailed(Fact):
    """A message could not be delivered; no attempt is left. It can be replayed."""

    event_type: ClassVar[str] = "io.tenure.notifications.notification_failed.v1"
    delivery_id: str
    message_id: str
    channel: str
    reason: str
    error: str
    attempts: int


FACTS: tuple[type[Fact], ...] = (NotificationDelivered, NotificationFailed)
