"""Subscriptions: somebody asked to be told of something, beside what the built-in rules say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.notifications.domain.kinds import matches
from services.notifications.domain.message import Notice
from services.notifications.domain.person import Person, Role
from services.notifications.domain.severity import Severity
from shared.kernel.errors import Invalid, NotFound


class SubscriptionNotFound(NotFound):
    """There is no such subscription."""


class ChannelMismatch(Invalid):
    """A webhook endpoint is reached by `webhook` only; people by `inbox` and `email`."""


class Channel(StrEnum):
    """By what road a message travels."""

    INBOX = "inbox"
    EMAIL = "email"
    WEBHOOK = "webhook"


Recipient = Role | Person | UUID
"""Whoever holds a role, a person, or a webhook endpoint by its id."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which of the messages are wanted; what is None or empty does not restrict."""

    segment: str | None = None
    min_severity: Severity | None = None
    account_ids: tuple[str, ...] = ()

    def passes(self, notice: Notice, segment: str | None) -> bool:
        """Tell whether a notice about an account of this segment is wanted."""
        return (
            notice.severity.is_at_least(self.min_severity)
            and self.segment in (None, segment)
            and (not self.account_ids or notice.account_id in self.account_ids)
        )


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who wants to hear of which events, by which channels."""

    id: UUID
    recipient: Recipient
    channels: tuple[Channel, ...]
    events: tuple[str, ...]
    filter: Filter
    created_at: datetime

    def wants(self, notice: Notice, segment: str | None) -> bool:
        """Tell whether the subscriber wants to hear this."""
        return matches(self.events, notice.kind) and self.filter.passes(notice, segment)


def check_channels(recipient: Recipient, channels: Sequence[Channel]) -> None:
    """Raise `ChannelMismatch` when a channel does not lead to the recipient."""
    by_webhook = isinstance(recipient, UUID)
    if any((channel is Channel.WEBHOOK) is not by_webhook for channel in channels):
        raise ChannelMismatch
