"""Counting: what a batch of usage events adds to each account and day."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

from shared.kernel.days import local_day, zone_of


class Arrival(NamedTuple):
    """A usage event on its way to being counted. ``key`` stands for its (source, id)."""

    key: UUID
    account_id: str
    name: str
    user_id: str | None
    time: datetime
    received_at: datetime
    is_backfill: bool


class AccountDelta(NamedTuple):
    """What a batch says about an account as a whole."""

    first_day: date
    last_active_at: datetime
    received_at: datetime
    is_backfilled: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """What a batch adds: events by (account, day, name), and by (account, day, user)."""

    events: Counter[tuple[str, date, str]] = field(default_factory=Counter)
    users: Counter[tuple[str, date, str]] = field(default_factory=Counter)
    accounts: dict[str, AccountDelta] = field(default_factory=dict)


def event_key(source: str, event_id: str) -> UUID:
    """Return 128 bits that stand for a (source, id): two differ with near certainty."""
    return UUID(bytes=blake2b(f"{source}\0{event_id}".encode(), digest_size=16).digest())


def count(arrivals: Iterable[Arrival], zones: Mapping[str, str]) -> Counts:
    """Add up events by the account's local day; accounts without a zone are in UTC."""
    counts = Counts()
    for arrival in arrivals:
        account_id = arrival.account_id
        day = local_day(arrival.time, zone_of(zones.get(account_id, "UTC")))
        counts.events[account_id, day, arrival.name] += 1
        if arrival.user_id is not None:
            counts.users[account_id, day, arrival.user_id] += 1
        _note_account(counts.accounts, arrival, day)
    return counts


def _note_account(accounts: dict[str, AccountDelta], arrival: Arrival, day: date) -> None:
    known = accounts.get(arrival.account_id)
    if known is None:
        accounts[arrival.account_id] = AccountDelta(
            day, arrival.time, arrival.received_at, arrival.is_backfill
        )
        return
    accounts[arrival.account_id] = AccountDelta(
        min(known.first_day, day),
        max(known.last_active_at, arrival.time),
        max(known.received_at, arrival.received_at),
        known.is_backfilled or arrival.is_backfill,
    )
