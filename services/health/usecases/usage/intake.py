"""Take in what product backends send: durable before it is answered, nothing dropped."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import msgspec

from services.health.domain.usage.event import (
    BACKFILL_AFTER,
    AliasCall,
    Call,
    GroupCall,
    IdentifyCall,
    NoUse,
    UsageEvent,
)
from services.health.storage.usage import aliases, intake
from services.health.storage.usage.aliases import Alias
from services.health.storage.usage.intake import Membership, Rejection, Waiting
from shared.bus.packing import Packer, Value
from shared.contracts.health import GroupIdentified
from shared.db import inbox
from shared.db.transaction import Database, Row, Transaction
from shared.kernel.failpoints import reach

USAGE_HEADERS = (("content-type", b"application/cloudevents-batch+json"),)
_ATTRIBUTED_AT_ONCE = 10_000


@dataclass(slots=True)
class Intake:
    """What one request holds, read and sorted.

    ``plain`` are usage events whose account is known, encoded as they travel.
    """

    plain: list[Value] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)

    @property
    def usage(self) -> list[UsageEvent]:
        """The usage events that are not plain, with and without an account."""
        return [call for call in self.calls if isinstance(call, UsageEvent)]

    @property
    def ignored(self) -> int:
        """How many calls say nothing about customers."""
        return sum(isinstance(call, NoUse) for call in self.calls)

    @property
    def accepted(self) -> int:
        """How many calls are taken in."""
        return len(self.plain) + len(self.calls) - self.ignored

    @property
    def is_only_usage(self) -> bool:
        """Whether every call is a usage event whose account is known, so Kafka is enough."""
        return not self.rejections and all(
            isinstance(call, NoUse)
            or (isinstance(call, UsageEvent) and call.account_id is not None)
            for call in self.calls
        )


async def take_in(database: Database, packer: Packer, received: Intake) -> None:
    """Make a request's calls durable: in Postgres what is no usage, in Kafka what is.

    When either fails the whole request is to be sent again; ids keep it from counting twice.
    Raises `RateLimited`, `Unavailable`, or the database's error.
    """
    usage = received.usage
    if not received.is_only_usage:
        async with database.transaction() as tx:
            usage = await _save(tx, received)
    reach("intake.saved")
    await packer.send(received.plain + values_of(usage) if usage else received.plain)


def values_of(usage: Sequence[UsageEvent]) -> list[Value]:
    """Return usage events as they travel, by account."""
    return [(str(event.account_id), msgspec.json.encode(event.to_cloudevent())) for event in usage]


async def attribute_user(tx: Transaction, packer: Packer, user_id: str, account_id: str) -> int:
    """Say whose user it is: its waiting events are counted for the account; return how many."""
    await intake.join_all(tx, {Membership(account_id, user_id)})
    rows = await intake.unattributed(tx, limit=_ATTRIBUTED_AT_ONCE, user_id=user_id)
    return await _attribute(tx, packer, rows, account_id)


async def attribute_events(
    tx: Transaction, packer: Packer, ids: Sequence[int], account_id: str
) -> int:
    """Say whose events these are, and nothing about their users; return how many waited."""
    rows = await intake.waiting(tx, ids)
    return await _attribute(tx, packer, rows, account_id)


async def _attribute(tx: Transaction, packer: Packer, rows: Sequence[Row], account_id: str) -> int:
    """Send waiting events on, then forget them; sent twice by a crash in between, they count once.

    They may have waited past the time for which ids are remembered; then they are history.
    """
    events = [_attributed(row["event"], account_id, tx.now) for row in rows]
    await packer.send(values_of(events))
    reach("intake.attributed")
    await intake.remove_unattributed(tx, [row["id"] for row in rows])
    return len(events)


def _attributed(event: Mapping[str, Any], account_id: str, now: datetime) -> UsageEvent:
    found = msgspec.convert({**event, "account_id": account_id}, UsageEvent)
    is_backfill = found.is_backfill or now - found.time > BACKFILL_AFTER
    return replace(found, is_backfill=is_backfill)


async def _save(tx: Transaction, received: Intake) -> list[UsageEvent]:
    await intake.add_rejections(tx, received.rejections)
    # Before usage is resolved: a batch may say who belongs where after saying what they did.
    await intake.join_all(tx, {each for call in received.calls for each in _memberships(call)})
    await aliases.add_all(tx, {each for call in received.calls for each in _aliases(call)})
    for call in await _new_groups(tx, received.calls):
        tx.emit(GroupIdentified(account_id=call.account_id, traits=call.traits))
    return await _resolve(tx, received.usage)


def _memberships(call: Call) -> Iterator[Membership]:
    if isinstance(call, (GroupCall, IdentifyCall)) and call.account_id and call.user_id:
        yield Membership(call.account_id, call.user_id)


def _aliases(call: Call) -> Iterator[Alias]:
    if not isinstance(call, (AliasCall, IdentifyCall)) or call.previous_id is None:
        return
    if call.previous_id != call.user_id:
        yield Alias(call.previous_id, call.user_id, call.source)


async def _new_groups(tx: Transaction, calls: Sequence[Call]) -> list[GroupCall]:
    """Claim group calls by their ids, so that one sent again says nothing twice.

    All come from the one source of their request.
    """
    groups: dict[str, GroupCall] = {}
    for call in calls:
        if isinstance(call, GroupCall):
            groups.setdefault(call.id, call)
    if not groups:
        return []
    source = next(iter(groups.values())).source
    new = await inbox.claim_all(tx, source, groups.keys())
    return [call for call_id, call in groups.items() if call_id in new]


async def _resolve(tx: Transaction, usage: Sequence[UsageEvent]) -> list[UsageEvent]:
    """Give each event its user's only account; keep those that have none for later."""
    nameless = [event for event in usage if event.account_id is None]
    accounts = await _accounts_of(tx, {event.user_id for event in nameless if event.user_id})
    resolved = [event for event in usage if event.account_id is not None]
    waiting: list[Waiting] = []
    for event in nameless:
        account_id = accounts.get(event.user_id or "")
        if account_id is not None:
            resolved.append(replace(event, account_id=account_id))
        else:
            kept = msgspec.to_builtins(event)
            waiting.append(Waiting(event.source, event.id, event.user_id, kept))
    await intake.add_unattributed(tx, waiting)
    return resolved


async def _accounts_of(tx: Transaction, users: set[str]) -> Mapping[str, str]:
    """Return each user's only account: their own, or else that of the ids they are known by.

    A user with several accounts has no only one, whatever their other ids say.
    """
    if not users:
        return {}
    own = await intake.accounts_of(tx, sorted(users))
    others = await aliases.of(tx, sorted(users - own.keys()))
    names_of_all = {name for names in others.values() for name in names}
    theirs = await intake.accounts_of(tx, sorted(names_of_all))
    found = dict(own)
    for user, names in others.items():
        found[user] = {account for name in names for account in theirs.get(name, ())}
    return {user: next(iter(each)) for user, each in found.items() if len(each) == 1}
