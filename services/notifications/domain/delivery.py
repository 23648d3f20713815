"""Deliveries: one message on one channel to one recipient, until it arrived or is given up."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from services.notifications.domain.retry import LAST_ATTEMPT, wait_after
from services.notifications.domain.subscription import Channel
from shared.kernel.errors import Conflict, NotFound

LEASE = timedelta(seconds=30)
"""How long a sender has to report back before another one takes the delivery over."""

_LONGEST_ERROR = 500


class DeliveryNotFound(NotFound):
    """There is no such delivery."""


class DeliveryUnderWay(Conflict):
    """The delivery is waiting or being sent; only one that has ended can be replayed."""


class NobodyToTell(Conflict):
    """The delivery was meant for a role that nobody held; there is no address to replay it to."""


class Status(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True)
class Arrived:
    """The receiver took it; ``code`` is its status code, if it has such."""

    code: int | None = None


@dataclass(frozen=True, slots=True)
class Missed:
    """The receiver did not take it.

    ``is_final``: trying again cannot help. ``is_gone``: the receiver wants nothing any more.
    ``retry_after``: what it asked for. ``is_silent``: it let the time run out.
    """

    error: str
    code: int | None = None
    is_final: bool = False
    is_gone: bool = False
    is_silent: bool = False
    retry_after: timedelta | None = None


Outcome = Arrived | Missed


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message on its way to one recipient.

    ``recipient`` is an e-mail address, an endpoint's id, or ``role:<role>`` while nobody holds
    the role; then ``next_attempt_at`` is None, as nothing can be attempted.
    """

    account_id: str
    id: UUID
    message_id: UUID
    channel: Channel
    recipient: str
    recipient_name: str
    status: Status
    created_at: datetime
    next_attempt_at: datetime | None
    attempts: int = 0
    lease_until: datetime | None = None
    last_error: str | None = None
    response_code: int | None = None
    delivered_at: datetime | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will be tried."""
        return self.status in {Status.DELIVERED, Status.FAILED, Status.SUPPRESSED}

    @property
    def awaits_an_owner(self) -> bool:
        """Whether it is meant for a role that nobody holds."""
        return self.recipient.startswith("role:")

    @property
    def has_run_out(self) -> bool:
        """Whether it was leased once too often: no sender lived to tell what came of it."""
        return self.attempts > LAST_ATTEMPT

    def after(self, outcome: Outcome, *, at: datetime, jitter: float) -> Self:
        """Return the delivery after an attempt: arrived, waiting for the next, or given up."""
        if isinstance(outcome, Arrived):
            return self._arrived(outcome, at)
        wait = wait_after(self.attempts, jitter=jitter, asked=outcome.retry_after)
        gives_up = outcome.is_final or wait is None
        return replace(
            self,
            status=Status.FAILED if gives_up else Status.PENDING,
            lease_until=None,
            next_attempt_at=None if wait is None or gives_up else at + wait,
            last_error=outcome.error[:_LONGEST_ERROR],
            response_code=outcome.code,
        )

    def replayed(self, at: datetime) -> Self:
        """Return the delivery as it starts over. Raises `DeliveryUnderWay` or `NobodyToTell`."""
        if self.awaits_an_owner:
            raise NobodyToTell
        if not self.has_ended:
            raise DeliveryUnderWay
        return replace(
            self, status=Status.PENDING, next_attempt_at=at, attempts=0, lease_until=None
        )

    def _arrived(self, outcome: Arrived, at: datetime) -> Self:
        return replace(
            self,
            status=Status.DELIVERED,
            lease_until=None,
            next_attempt_at=None,
            last_error=None,
            response_code=outcome.code,
            delivered_at=at,
        )
