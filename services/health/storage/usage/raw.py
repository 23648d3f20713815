"""Raw usage: the events that were counted, as they came, kept for some days.

One row is one batch: a JSON document under zstd, written in the transaction that counts it. From
it every count can be computed again, and a new metric can be filled for days past.
"""

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, NamedTuple
from uuid import UUID

import cramjam
import msgspec

from services.health.domain.usage.local_days import LocalDays
from shared.db.transaction import Transaction
from shared.kernel.ids import new_id

_LEVEL = 1
_MOST_AHEAD = timedelta(days=2)
"""How far an event's local day may lie ahead of the day it is counted on: a clock that is a day
ahead, in a zone that is half a day ahead."""


class RawEvent(NamedTuple):
    """An event that was counted, and the account's local day it was counted on.

    ``properties`` is the JSON text of an object, as the sender wrote it; ``time`` is in UTC.
    """

    account_id: str
    name: str
    user_id: str | None
    time: datetime
    day: date
    properties: bytes
    source: str
    id: str


class Chunk(NamedTuple):
    """The events of one batch, ready to be kept.

    ``values`` are JSON texts, each of an event or of a list of events. ``skipped`` are the places
    of those that were not counted, among all events of all values. ``zones`` are the time zones
    that the accounts had; one that is not named is in UTC.
    """

    values: Sequence[bytes]
    skipped: Sequence[int]
    zones: Mapping[str, str]


class _Data(msgspec.Struct, gc=False):
    user_id: str | None = None
    properties: msgspec.Raw = msgspec.Raw(b"{}")


class _Event(msgspec.Struct, gc=False):
    id: str
    source: str
    type: str
    subject: str
    time: Annotated[datetime, msgspec.Meta(tz=True)]
    data: _Data


class _Payload(msgspec.Struct):
    zones: dict[str, str]
    skipped: list[int]
    records: list[list[_Event] | _Event]


_DECODER = msgspec.json.Decoder(_Payload)


async def read(
    tx: Transaction, first_day: date, last_day: date, account_ids: Collection[str] | None = None
) -> AsyncIterator[RawEvent]:
    """Give the counted events whose local day lies in an inclusive range, batch by batch.

    In the order they were counted in, each once; ``account_ids`` narrows them to some accounts.
    Only what raw usage is kept for can be found: see `complete_since`. One batch is in memory at
    a time, so the whole history may be read.
    """
    wanted = None if account_ids is None else frozenset(account_ids)
    earliest = date.min if first_day <= date.min + _MOST_AHEAD else first_day - _MOST_AHEAD
    after: tuple[date, UUID] = (earliest, UUID(int=0))
    while (found := await _next(tx, after)) is not None:
        after, payload = found
        for event in unpack(payload):
            if first_day <= event.day <= last_day and (
                wanted is None or event.account_id in wanted
            ):
                yield event


async def see_one_moment(tx: Transaction) -> None:
    """Have a transaction see everything as of one moment; it must be its first statement."""
    await tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


async def kept_since(tx: Transaction) -> date:
    """Return from which day of counting on all events are kept; `date.min` for always."""
    since: date = await tx.fetch_value("SELECT day FROM usage_raw_since")
    return since


async def complete_since(tx: Transaction) -> date:
    """Return the first local day whose events are all kept; `date.min` when every event is."""
    since = await kept_since(tx)
    return since if since == date.min else since + _MOST_AHEAD


async def events_by_day(tx: Transaction) -> Mapping[date, int]:
    """Return how many events were counted on each day, as far as they are kept."""
    rows = await tx.fetch_all("SELECT day, sum(events) AS n FROM usage_raw GROUP BY day")
    return {row["day"]: int(row["n"]) for row in rows}


async def add(tx: Transaction, day: date, events: int, payload: bytes) -> None:
    """Keep a packed batch under the day it is counted on."""
    await tx.execute(
        "INSERT INTO usage_raw (day, id, events, payload) VALUES (:day, :id, :events, :payload)",
        day=day,
        id=new_id(),
        events=events,
        payload=payload,
    )


def pack(chunk: Chunk) -> bytes:
    """Return a batch as it is kept: one JSON document, compressed."""
    head = msgspec.json.encode({"zones": chunk.zones, "skipped": chunk.skipped})
    document = b"".join((head[:-1], b',"records":[', b",".join(chunk.values), b"]}"))
    return bytes(cramjam.zstd.compress(document, level=_LEVEL))


def unpack(payload: bytes) -> Iterator[RawEvent]:
    """Give the counted events of a packed batch."""
    document = _DECODER.decode(bytes(cramjam.zstd.decompress(payload)))
    skipped, days = frozenset(document.skipped), LocalDays(document.zones)
    at = -1
    for record in document.records:
        for event in record if isinstance(record, list) else (record,):
            at += 1
            if at not in skipped:
                yield _raw_event(event, days)


def _raw_event(event: _Event, days: LocalDays) -> RawEvent:
    return RawEvent(
        event.subject,
        event.type,
        event.data.user_id or None,
        event.time.astimezone(UTC),
        days.of(event.subject, event.time),
        bytes(event.data.properties),
        event.source,
        event.id,
    )


async def _next(
    tx: Transaction, after: tuple[date, UUID]
) -> tuple[tuple[date, UUID], bytes] | None:
    row = await tx.fetch_one(
        "SELECT day, id, payload FROM usage_raw WHERE (day, id) > (:day, :id) "
        "ORDER BY day, id LIMIT 1",
        day=after[0],
        id=after[1],
    )
    return None if row is None else ((row["day"], row["id"]), row["payload"])
