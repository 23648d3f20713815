"""Time: what is due is sent, by several at once.

A courier leases one delivery in a transaction, sends it outside of any, and records the outcome
in another. One that dies in between leaves a lease that runs out: the delivery is sent again
under the same id.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from services.notifications.domain.delivery import Missed, Outcome
from services.notifications.domain.retry import rest_after
from services.notifications.gateways.mail import Letter, Mailer
from services.notifications.gateways.vault import Vault
from services.notifications.gateways.webhooks import WebhookSender
from services.notifications.settings import Settings
from services.notifications.storage.deliveries import Parcel
from services.notifications.usecases import deliveries
from services.notifications.usecases.deliveries import WebhookParcel
from shared.db.jobs import Job
from shared.db.transaction import Database, Transaction
from shared.kernel.failpoints import reach

_POLL_SECONDS = 0.25
_AFTER_FAILURE = timedelta(seconds=1)
_WEBHOOK_COURIERS = 16
_MAIL_COURIERS = 4
_PER_ENDPOINT = 2
_HELD_EVERY = timedelta(seconds=1)

_Load = TypeVar("_Load", bound=Parcel | WebhookParcel)


class Courier(Generic[_Load]):
    """Sends what is due on one channel, from as many places at once as run it.

    ``per_recipient``: how many sends to one recipient may be under way, so that a slow receiver
    holds up itself and nobody else. A receiver that let the last one time out is sent one at a
    time, after a rest that grows to 90 s, until it answers; every process learns that by itself.
    ``poll_seconds``: how often to look without having been woken.
    """

    def __init__(
        self,
        pick_up: Callable[[Transaction, Sequence[str]], Awaitable[_Load | None]],
        send: Callable[[_Load], Awaitable[Outcome]],
        *,
        per_recipient: int,
        jitter: Callable[[], float] | None = None,
        poll_seconds: float = _POLL_SECONDS,
    ) -> None:
        self._pick_up = pick_up
        self._send = send
        self._per_recipient = per_recipient
        self._jitter = jitter or random.SystemRandom().random
        self._poll_seconds = poll_seconds
        self._under_way: Counter[str] = Counter()
        self._silences: Counter[str] = Counter()
        self._rests_until: dict[str, datetime] = {}
        self._asking = asyncio.Lock()
        self._news = asyncio.Event()
        self._asked_in_vain_at = float("-inf")
        self._hooked: Database | None = None

    async def run(self, database: Database) -> bool:
        """Send one delivery, or rest until there is news, 250 ms at most."""
        self._hook(database)
        load = await self._next(database)
        if load is None:
            # Not wait_for: in Python 3.11 it can swallow a cancellation.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._news.wait()
            return True
        await self._carry(database, load)
        return True

    def wake(self) -> None:
        """Look for work at once, without waiting for the next look."""
        self._news.set()

    async def _next(self, database: Database) -> _Load | None:
        """Lease one; of those who find nothing, one at a time asks the database."""
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if not self._news.is_set() and now - self._asked_in_vain_at < self._poll_seconds * 0.9:
                return None
            self._news.clear()
            known = {*self._under_way, *self._silences}
            busy = [who for who in known if not self._has_room(who, database.clock.now())]
            async with database.transaction() as tx:
                load = await self._pick_up(tx, busy)
            if load is None:
                self._asked_in_vain_at = now
                return None
            # There may be more: whoever asks next is not to rest first.
            self._news.set()
            self._under_way[_parcel(load).delivery.recipient] += 1
            return load

    async def _carry(self, database: Database, load: _Load) -> None:
        parcel = _parcel(load)
        with self._making_room(parcel.delivery.recipient):
            outcome = await self._send(load)
            self._learn(parcel.delivery.recipient, outcome, database.clock.now())
            reach("delivery.sent")
            async with database.transaction() as tx:
                await deliveries.record(tx, parcel, outcome, jitter=self._jitter())

    def _has_room(self, recipient: str, now: datetime) -> bool:
        if recipient not in self._silences:
            return self._under_way[recipient] < self._per_recipient
        return not self._under_way[recipient] and self._rests_until[recipient] <= now

    def _learn(self, recipient: str, outcome: Outcome, now: datetime) -> None:
        if isinstance(outcome, Missed) and outcome.is_silent:
            self._silences[recipient] += 1
            self._rests_until[recipient] = now + rest_after(self._silences[recipient])
        else:
            self._silences.pop(recipient, None)
            self._rests_until.pop(recipient, None)

    @contextmanager
    def _making_room(self, recipient: str) -> Iterator[None]:
        try:
            yield
        finally:
            self._under_way[recipient] -= 1
            if not self._under_way[recipient]:
                del self._under_way[recipient]
            self._news.set()

    def _hook(self, database: Database) -> None:
        """Hear of commits that left something to send."""
        if self._hooked is not database:
            database.on_wake(self.wake)
            self._hooked = database


def jobs(settings: Settings) -> tuple[Job, ...]:
    """Return the couriers of every channel that leads outside."""
    mail = mail_courier(Mailer(settings.smtp, settings.mail_from))
    vault = Vault(settings.vault_key)
    hooks = webhook_courier(WebhookSender(vault, allow_private=settings.webhook_allow_private))
    return (
        Job("deliver_held", _HELD_EVERY, deliver_held),
        *(Job("deliver_email", _AFTER_FAILURE, mail.run) for _ in range(_MAIL_COURIERS)),
        *(Job("deliver_webhook", _AFTER_FAILURE, hooks.run) for _ in range(_WEBHOOK_COURIERS)),
    )


async def deliver_held(database: Database) -> bool:
    """Put one message that was held back into its inbox; True when there was one."""
    async with database.transaction() as tx:
        return await deliveries.deliver_held(tx)


def mail_courier(
    mailer: Mailer,
    *,
    jitter: Callable[[], float] | None = None,
    poll_seconds: float = _POLL_SECONDS,
) -> Courier[Parcel]:
    """Return the courier of e-mail."""

    async def send(parcel: Parcel) -> Outcome:
        delivery = parcel.delivery
        letter = Letter(
            id=delivery.id,
            to=delivery.recipient,
            to_name=delivery.recipient_name,
            account_name=parcel.account_name,
            message=parcel.message,
            sent_at=delivery.created_at,
        )
        return await mailer.send(letter)

    return Courier(
        deliveries.pick_up_mail,
        send,
        per_recipient=_MAIL_COURIERS,
        jitter=jitter,
        poll_seconds=poll_seconds,
    )


def webhook_courier(
    sender: WebhookSender, *, jitter: Callable[[], float] | None = None
) -> Courier[WebhookParcel]:
    """Return the courier of webhooks."""

    async def send(load: WebhookParcel) -> Outcome:
        return await sender.send(
            load.endpoint,
            load.keys,
            message_id=load.parcel.delivery.id,
            payload=payload_of(load.parcel),
        )

    return Courier(deliveries.pick_up_webhook, send, per_recipient=_PER_ENDPOINT, jitter=jitter)


def payload_of(parcel: Parcel) -> Mapping[str, Any]:
    """Return what an endpoint is posted: `{type, timestamp, data}`, the same at every attempt."""
    message = parcel.message
    notice = message.notice
    return {
        "type": notice.kind.value,
        "timestamp": _rfc3339(message.created_at),
        "data": {
            "message_id": str(message.id),
            "account": {"id": notice.account_id, "name": parcel.account_name},
            "reason": notice.reason,
            "severity": notice.severity.value,
            "title": notice.title,
            "explanation": notice.explanation,
            "next_step": notice.next_step,
            "subject": notice.subject,
            "happened_at": _rfc3339(notice.happened_at),
            "rules": message.rules,
        },
    }


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _parcel(load: Parcel | WebhookParcel) -> Parcel:
    return load.parcel if isinstance(load, WebhookParcel) else load
