"""Take in what product backends send: durable before it is answered, nothing dropped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from services.health.domain.usage.event import Call, GroupCall, IdentifyCall, UsageEvent
from services.health.storage import intake
from services.health.storage.intake import Rejection
from shared.bus.producer import Message, Producer
from shared.bus.topics import USAGE_TOPIC
from shared.contracts.event import Event
from shared.contracts.health import GroupIdentified
from shared.db import inbox
from shared.db.transaction import Database, Transaction
from shared.kernel.failpoints import reach

_RECORD_BYTES = 256 * 1024
_HEADERS = (("content-type", b"application/cloudevents-batch+json"),)


@dataclass(slots=True)
class Intake:
    """What one request holds, read and sorted."""

    calls: list[Call] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)

    @property
    def usage(self) -> list[UsageEvent]:
        """The usage events, with and without an account."""
        return [call for call in self.calls if isinstance(call, UsageEvent)]

    @property
    def is_only_usage(self) -> bool:
        """Whether every call is a usage event whose account is known, so Kafka is enough."""
        return not self.rejections and all(
            isinstance(call, UsageEvent) and call.account_id is not None for call in self.calls
        )


async def take_in(database: Database, producer: Producer, received: Intake) -> None:
    """Make a request's calls durable: in Postgres what is no usage, in Kafka what is.

    When either fails the whole request is to be sent again; ids keep it from counting twice.
    Raises `RateLimited`, `Unavailable`, or the database's error.
    """
    usage = received.usage
    if not received.is_only_usage:
        async with database.transaction() as tx:
            usage = await _save(tx, received)
    reach("intake.saved")
    await publish(producer, usage)


async def publish(producer: Producer, usage: Sequence[UsageEvent]) -> None:
    """Send usage events to the usage topic, many to a record, and wait for all in-sync replicas."""
    answers = await producer.send_all(list(_messages(usage))) if usage else []
    for refusal in answers:
        if refusal is not None:
            raise refusal


async def attribute(tx: Transaction, producer: Producer, user_id: str, account_id: str) -> int:
    """Say whose user it is: its waiting events are counted for the account; return how many."""
    await intake.join(tx, account_id, user_id)
    rows = await intake.unattributed(tx, before=None, limit=10_000, user_id=user_id)
    events = [
        msgspec.convert({**row["event"], "account_id": account_id}, UsageEvent) for row in rows
    ]
    await publish(producer, events)
    await intake.remove_unattributed(tx, [row["id"] for row in rows])
    return len(events)


async def _save(tx: Transaction, received: Intake) -> list[UsageEvent]:
    await intake.add_rejections(tx, received.rejections)
    for call in received.calls:
        if isinstance(call, GroupCall):
            await _identify_group(tx, call)
        elif isinstance(call, IdentifyCall) and call.account_id is not None:
            await intake.join(tx, call.account_id, call.user_id)
    return await _resolve(tx, received.usage)


async def _identify_group(tx: Transaction, call: GroupCall) -> None:
    if call.user_id is not None:
        await intake.join(tx, call.account_id, call.user_id)
    if await _is_new(tx, call):
        tx.emit(GroupIdentified(account_id=call.account_id, traits=call.traits))


async def _is_new(tx: Transaction, call: GroupCall) -> bool:
    """Claim the call by its id, so that one sent again says nothing twice."""
    as_event = Event(
        id=call.id, source=call.source, type="group", subject=call.account_id, time=tx.now, data={}
    )
    return await inbox.claim(tx, as_event)


async def _resolve(tx: Transaction, usage: Sequence[UsageEvent]) -> list[UsageEvent]:
    """Give each event its user's only account; keep those that have none for later."""
    nameless = [event for event in usage if event.account_id is None]
    users = {event.user_id for event in nameless if event.user_id is not None}
    accounts = await intake.only_accounts(tx, sorted(users)) if users else {}
    resolved = [event for event in usage if event.account_id is not None]
    for event in nameless:
        account_id = accounts.get(event.user_id or "")
        if account_id is not None:
            resolved.append(replace(event, account_id=account_id))
        else:
            await intake.add_unattributed(
                tx, event.source, event.id, event.user_id, msgspec.to_builtins(event)
            )
    return resolved


def _messages(usage: Sequence[UsageEvent]) -> Iterator[Message]:
    """Pack the events of each account into records of up to 256 KiB."""
    by_account: dict[str, list[bytes]] = {}
    for event in usage:
        encoded = msgspec.json.encode(event.to_cloudevent())
        by_account.setdefault(str(event.account_id), []).append(encoded)
    for account_id, events in by_account.items():
        for chunk in _chunks(events):
            value = b"[" + b",".join(chunk) + b"]"
            yield Message(USAGE_TOPIC, account_id.encode(), value, _HEADERS)


def _chunks(events: Sequence[bytes]) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    size = 0
    for event in events:
        if chunk and size + len(event) > _RECORD_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(event)
        size += len(event)
    if chunk:
        yield chunk
