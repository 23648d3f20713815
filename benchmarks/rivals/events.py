"""A usage event as the rivals read it, and the sums they keep."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime

import msgspec

Sums = Counter[tuple[str, date, str]]


class Data(msgspec.Struct, gc=False):
    """The part of an event that its product filled in."""

    user_id: str | None = None


class Event(msgspec.Struct, gc=False):
    """What of a CloudEvent is counted."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: Data


decoder = msgspec.json.Decoder(list[Event] | Event)


def decode(values: Iterable[bytes]) -> dict[tuple[str, str], Event]:
    """Decode records, one event or many to each; an event that is there twice is kept once."""
    events: dict[tuple[str, str], Event] = {}
    for value in values:
        found = decoder.decode(value)
        for event in found if isinstance(found, list) else [found]:
            events[event.source, event.id] = event
    return events


def add_up(events: Iterable[Event]) -> tuple[Sums, Sums]:
    """Return counts by (account, day, name) and by (account, day, user)."""
    names: Sums = Counter()
    users: Sums = Counter()
    for event in events:
        day = event.time.date()
        names[event.subject, day, event.type] += 1
        if event.data.user_id is not None:
            users[event.subject, day, event.data.user_id] += 1
    return names, users
