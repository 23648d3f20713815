"""The usage stream: raw usage has its own, faster road with the same guarantee.

A batch of records is one transaction: decode, remove duplicates, add up, upsert, and move the
positions. Records that are no events at all are set aside as they are; events that break the
contract become rejections that their sender can read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import msgspec

from services.health.domain.profile.profile import Profile
from services.health.domain.usage.counting import Arrival, event_key
from services.health.domain.usage.event import (
    InvalidEvent,
    Reception,
    is_too_old,
    read_cloudevent,
)
from services.health.storage import intake, usage
from services.health.storage.intake import Rejection
from services.health.storage.watermarks import Seen
from services.health.usecases.counting import count_usage, note_watermarks
from services.health.usecases.profiles import PROFILES
from shared.bus.consumer import Batch, Record
from shared.bus.dispatcher import dead_letter_of
from shared.bus.retry import GiveUp
from shared.db import dead_letters, inbox
from shared.db.transaction import Database, Transaction
from shared.kernel.failpoints import reach
from shared.kernel.ids import is_account_id
from shared.observability.metrics import DEAD_LETTERS, USAGE_EVENTS, USAGE_FLUSH

_LONGEST_RAW = 32 * 1024
_LONGEST_NAME = 200
_LONGEST_ID = 256
# The last one: a value that is nested without end.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Data(msgspec.Struct, gc=False):
    user_id: str | None = None


class _Wire(msgspec.Struct, gc=False):
    """The parts of a CloudEvent that count; the rest is skipped without being parsed."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: _Data
    backfill: bool = False


_DECODER = msgspec.json.Decoder(list[_Wire] | _Wire)


@dataclass(slots=True)
class _Read:
    """What was read of a batch, before the transaction opens."""

    arrivals: list[Arrival] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    poison: list[tuple[Record, GiveUp]] = field(default_factory=list)
    latest: dict[str, Seen] = field(default_factory=dict)


class UsageStream:
    """Counts the usage events of whole batches; milestones are those of the profiles in force."""

    def __init__(self, database: Database, profile: Profile | None = None) -> None:
        self._database = database
        self._profile = profile
        self._prepared: date | None = None

    async def handle(self, batches: Sequence[Batch], group: str) -> None:
        """Count a batch and move its positions, in one transaction."""
        read, now = _Read(), self._database.clock.now()
        for batch in batches:
            for record in batch.records:
                _read_record(record, now, read)
        with USAGE_FLUSH.time():
            async with self._database.transaction() as tx:
                counted = await self._save(tx, read)
                await _advance(tx, batches, group)
                reach("usage.before_commit")
        self._prepared = tx.now.date()
        reach("usage.after_commit")
        _measure(read, counted)

    async def _save(self, tx: Transaction, read: _Read) -> int:
        if self._prepared != tx.now.date():
            await usage.prepare_days(tx)
        judge = self._profile or await PROFILES.current(tx)
        counted = await count_usage(tx, read.arrivals, judge) if read.arrivals else 0
        await note_watermarks(tx, read.latest)
        await intake.add_rejections(tx, read.rejections)
        for record, why in read.poison:
            await dead_letters.save(tx, dead_letter_of(record, why))
        return counted


async def _advance(tx: Transaction, batches: Sequence[Batch], group: str) -> None:
    for topic in sorted({batch.topic for batch in batches}):
        moves = {b.partition: (b.expected, b.next_offset) for b in batches if b.topic == topic}
        await inbox.advance(tx, group, topic, moves)


def _measure(read: _Read, counted: int) -> None:
    USAGE_EVENTS.labels("counted").inc(counted)
    USAGE_EVENTS.labels("duplicate").inc(len(read.arrivals) - counted)
    USAGE_EVENTS.labels("rejected").inc(len(read.rejections))
    for record, why in read.poison:
        DEAD_LETTERS.labels(record.topic, why.code).inc()


def _read_record(record: Record, now: datetime, read: _Read) -> None:
    received_at = _received_at(record, now)
    for arrival in _arrivals(record, received_at, read):
        read.arrivals.append(arrival)
        if not arrival.is_backfill:
            latest = read.latest.get(arrival.account_id)
            if latest is None or arrival.time > latest.event_time:
                seen = Seen(record.partition, arrival.time, received_at)
                read.latest[arrival.account_id] = seen


def _received_at(record: Record, now: datetime) -> datetime:
    """Return when a record came in: its stamp, which is its sender's, unless that cannot be."""
    try:
        stamp = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return now
    return now if stamp > now or is_too_old(stamp, now) else stamp


def _arrivals(record: Record, received_at: datetime, read: _Read) -> Iterator[Arrival]:
    if any(name == "ce_specversion" for name, _ in record.headers):
        yield from _slowly([_from_binary(record)], received_at, read)
        return
    try:
        decoded = _DECODER.decode(record.value or b"")
        wires = decoded if isinstance(decoded, list) else [decoded]
        if all(_is_plain(wire, received_at) for wire in wires):
            yield from (_arrival(wire, received_at) for wire in wires)
            return
    except _UNREADABLE:
        pass
    try:
        body = msgspec.json.decode(record.value or b"")
    except _UNREADABLE as error:
        read.poison.append((record, GiveUp("malformed_event", f"the value is not JSON: {error}")))
        return
    yield from _slowly(body if isinstance(body, list) else [body], received_at, read)


def _is_plain(wire: _Wire, received_at: datetime) -> bool:
    """Tell whether an event needs none of the corrections and refusals of the domain."""
    return (
        wire.specversion == "1.0"
        and is_account_id(wire.subject)
        and wire.time.tzinfo is not None
        and wire.time <= received_at
        and not is_too_old(wire.time, received_at)
        and 0 < len(wire.id) <= _LONGEST_ID
        and 0 < len(wire.source) <= _LONGEST_ID
        and 0 < len(wire.type) <= _LONGEST_NAME
        and len(wire.data.user_id or "-") <= _LONGEST_ID
        and f"{wire.id}{wire.source}{wire.type}{wire.data.user_id}".isprintable()
    )


def _arrival(wire: _Wire, received_at: datetime) -> Arrival:
    key = event_key(wire.source, wire.id)
    user_id = wire.data.user_id or None
    return Arrival(key, wire.subject, wire.type, user_id, wire.time, received_at, wire.backfill)


def _slowly(events: Iterable[object], received_at: datetime, read: _Read) -> Iterator[Arrival]:
    """Read events one by one as the domain does, turning refusals into rejections."""
    for event in events:
        try:
            found = read_cloudevent(event, Reception("", received_at))
        except InvalidEvent as error:
            read.rejections.append(_rejection(event, error, received_at))
            continue
        yield Arrival(
            event_key(found.source, found.id),
            str(found.account_id),
            found.name,
            found.user_id,
            found.time,
            received_at,
            isinstance(event, dict) and event.get("backfill") is True,
        )


def _rejection(event: object, error: InvalidEvent, received_at: datetime) -> Rejection:
    attributes = event if isinstance(event, dict) else {}
    return Rejection(
        source=str(attributes.get("source") or "kafka")[:_LONGEST_ID].replace("\x00", ""),
        event_id=_event_id(attributes),
        code=error.reason,
        message=error.detail,
        raw=_raw(event),
        received_at=received_at,
    )


def _event_id(attributes: Mapping[str, object]) -> str | None:
    event_id = attributes.get("id")
    # The index over rejections takes no text of any length.
    return event_id.replace("\x00", "")[:_LONGEST_ID] or None if isinstance(event_id, str) else None


def _raw(event: object) -> str:
    try:
        return msgspec.json.encode(event).decode()[:_LONGEST_RAW]
    except RecursionError:
        return "nested too deeply to be kept"


def _from_binary(record: Record) -> object:
    attributes: dict[str, object] = {
        name[3:]: value.decode("utf-8", "replace")
        for name, value in record.headers
        if name.startswith("ce_") and value is not None
    }
    try:
        attributes["data"] = msgspec.json.decode(record.value or b"null")
    except _UNREADABLE:
        attributes["data"] = None
    return attributes
