"""Telling people what happened: each person once for an account, reason and window.

What is meant for a role that nobody holds waits for an owner. An alarm is handed to the first
who gets the role, as long as its situation lasts; other messages for as long as they are news.
"""

from dataclasses import replace
from datetime import timedelta

from services.notifications.domain.delivery import Arrived, Delivery, Status
from services.notifications.domain.kinds import MessageKind
from services.notifications.domain.message import Message, Notice, Situation
from services.notifications.domain.person import Person, Role
from services.notifications.domain.routing import Directory, Route, vacancy
from services.notifications.domain.subscription import Channel
from services.notifications.gateways.rule_book import rule_book
from services.notifications.storage import (
    audience,
    deliveries,
    endpoints,
    inbox,
    messages,
    subscriptions,
)
from shared.contracts.notifications import NotificationDelivered
from shared.db.transaction import Transaction
from shared.kernel.figures import spoken
from shared.kernel.ids import new_id
from shared.observability.metrics import DELIVERIES

_ALARMS = tuple(kind for kind in MessageKind if kind.is_alarm)
_OVER = "it was over before it was told"
_TOLD_WITH = "another alarm tells it"


async def tell(tx: Transaction, notice: Notice) -> Message | None:
    """Tell everyone concerned; return the message, None when it was said before."""
    await audience.lock(tx, notice.account_id)
    notice, episode = await _update_situation(tx, notice)
    message = Message.of(notice, new_id(), episode=episode, rules=rule_book().version, at=tx.now)
    if not await messages.add(tx, message):
        return None
    directory = Directory(rule_book(), await subscriptions.every(tx), await endpoints.enabled(tx))
    routes = directory.routes(notice, await audience.of(tx, notice.account_id))
    await inbox.lock(tx, [route.address for route in routes if route.channel is Channel.INBOX])
    for route in routes:
        delivery = await _planned(tx, message, _delivery(tx, message, route), route.window)
        await deliveries.add(tx, delivery)
        await _put_into_inbox(tx, message, delivery)
    tx.wake()
    return message


async def call_off(
    tx: Transaction, account_id: str, subject: str, reason: str, because: str
) -> None:
    """Take back what a person has settled before it was told; what was told stays told."""
    await audience.lock(tx, account_id)
    before = await messages.situation(tx, account_id, subject, reason)
    if before is not None:
        await messages.save_situation(tx, before.closed(tx.now))
        await deliveries.suppress_unsaid(tx, account_id, subject, reason, because)


async def title_of(tx: Transaction, account_id: str, reason: str) -> str:
    """Return what a risk is called in headlines; the reason in words when its opening is unknown.

    Later facts name the reason only, and people know it by the headline they read first.
    """
    return await messages.risk_title(tx, account_id, reason) or spoken(reason).capitalize()


async def hand_over(tx: Transaction, account_id: str, role: Role, person: Person) -> None:
    """Give what waited for somebody in a role to who holds it now; the account is locked.

    Of several messages about one situation only the newest is told.
    """
    vacancies = [vacancy(role), vacancy(Role.EVERYONE)]
    waiting = await deliveries.waiting_for(tx, account_id, vacancies)
    said = await messages.by_ids(tx, account_id, [each.message_id for each in waiting])
    told: set[tuple[Channel, str, str]] = set()
    await inbox.lock(tx, [person.email] if waiting else [])
    for delivery in waiting:
        message = said[delivery.message_id]
        topic = (delivery.channel, message.notice.subject, message.notice.reason)
        because = await _why_not(tx, message, delivery, person, is_told=topic in told)
        if because is None:
            told.add(topic)
            mine = replace(delivery, recipient=person.email, recipient_name=person.name)
            after = await _planned(tx, message, _due(mine, tx), rule_book().window)
        else:
            after = _suppressed(delivery, because)
        await deliveries.save(tx, after)
        await _put_into_inbox(tx, message, after)
    if waiting:
        tx.wake()


async def put_into_inbox(tx: Transaction, message: Message, delivery: Delivery) -> Delivery:
    """Put a message into its recipient's inbox, whose lock is held; return the delivery, done."""
    await inbox.add(tx, delivery)
    done = replace(delivery, attempts=max(1, delivery.attempts)).after(
        Arrived(), at=tx.now, jitter=0
    )
    emit_delivered(tx, message, done)
    DELIVERIES.labels(Channel.INBOX.value, "delivered").inc()
    return done


def emit_delivered(tx: Transaction, message: Message, delivery: Delivery) -> None:
    """Say that a message has reached its recipient."""
    tx.emit(
        NotificationDelivered(
            account_id=delivery.account_id,
            delivery_id=str(delivery.id),
            message_id=str(message.id),
            channel=delivery.channel.value,
            reason=message.notice.reason,
            delivered_at=tx.now,
            attempts=delivery.attempts,
        )
    )


async def _update_situation(tx: Transaction, notice: Notice) -> tuple[Notice, int]:
    """Keep how a notice changes its situation; return it with the episode it belongs to.

    An all-clear is as severe as what it ends, so that a filter passes both or neither.
    """
    subject, reason = notice.subject, notice.reason
    before = await messages.situation(tx, notice.account_id, subject, reason)
    if notice.kind.is_alarm:
        after = Situation.opened(notice, before)
        await messages.save_situation(tx, after)
        return notice, after.episode
    if notice.kind.is_all_clear and before is not None:
        await messages.save_situation(tx, before.closed(tx.now))
        because = _TOLD_WITH if notice.kind.is_merger else _OVER
        await deliveries.suppress_unsaid(tx, notice.account_id, subject, reason, because)
        return replace(notice, severity=before.severity), before.episode
    return notice, 1


def _delivery(tx: Transaction, message: Message, route: Route) -> Delivery:
    return Delivery(
        account_id=message.notice.account_id,
        id=new_id(),
        message_id=message.id,
        channel=route.channel,
        recipient=route.address,
        recipient_name=route.name,
        status=Status.PENDING,
        created_at=tx.now,
        next_attempt_at=tx.now,
    )


async def _planned(
    tx: Transaction, message: Message, delivery: Delivery, window: timedelta
) -> Delivery:
    """Return a delivery as due now, held until the window ends, or suppressed."""
    if delivery.awaits_an_owner:
        return _waiting(message, delivery)
    # Machines want every event; a person wants to be alarmed once, whoever raises the alarm.
    alarms_once = message.notice.kind.is_alarm and delivery.channel is not Channel.WEBHOOK
    kinds = _ALARMS if alarms_once else (message.notice.kind,)
    to = (delivery.channel.value, delivery.recipient)
    last = await messages.last_told(tx, message, kinds, to=to)
    if last is None or last + window <= tx.now:
        return delivery
    if not message.notice.kind.is_alarm:
        return _suppressed(delivery, "the same was told within the window")
    held = replace(delivery, next_attempt_at=last + window)
    return replace(held, last_error="told within the window: held until it ends")


async def _put_into_inbox(tx: Transaction, message: Message, delivery: Delivery) -> None:
    is_due = delivery.next_attempt_at is not None and delivery.next_attempt_at <= tx.now
    if delivery.channel is Channel.INBOX and delivery.status is Status.PENDING and is_due:
        await deliveries.save(tx, await put_into_inbox(tx, message, delivery))


async def _why_not(
    tx: Transaction, message: Message, delivery: Delivery, person: Person, *, is_told: bool
) -> str | None:
    """Return why a waiting message is not for a new owner any more; None when it is."""
    if is_told:
        return "a newer message says more"
    if await deliveries.exists(tx, message.id, delivery.channel, person.email):
        return "they were told already"
    if await _is_over(tx, message):
        return "it was over before there was an owner"
    return None


async def _is_over(tx: Transaction, message: Message) -> bool:
    notice = message.notice
    if not notice.kind.is_alarm:
        return message.created_at + rule_book().window <= tx.now
    now = await messages.situation(tx, notice.account_id, notice.subject, notice.reason)
    return now is None or not now.is_open


def _waiting(message: Message, delivery: Delivery) -> Delivery:
    if message.notice.kind.is_all_clear:
        return _suppressed(delivery, "nobody holds the role, so nobody was alarmed")
    return replace(delivery, next_attempt_at=None, last_error="nobody holds the role yet")


def _due(delivery: Delivery, tx: Transaction) -> Delivery:
    return replace(delivery, next_attempt_at=tx.now, last_error=None)


def _suppressed(delivery: Delivery, because: str) -> Delivery:
    return replace(delivery, status=Status.SUPPRESSED, next_attempt_at=None, last_error=because)
