"""Reading usage records: JSON texts become columns of events, rejections and dead letters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from services.health.domain.usage.arrivals import Arrivals, Came, amounts_of, keys_of
from services.health.domain.usage.counting import Wanted
from services.health.domain.usage.event import (
    BACKFILL_AFTER,
    Reception,
    UsageEvent,
    is_too_old,
    oldest_at,
)
from services.health.domain.usage.members import InvalidEvent
from services.health.listeners.usage_exceptions import as_text, is_binary, texts_of
from services.health.listeners.usage_wire import (
    SURELY_FLAT_BYTES,
    Columns,
    Wire,
    amounts,
    columns_of,
    decode,
    may_be_odd,
)
from services.health.storage.usage.intake import Rejection
from services.health.usecases.usage.cloudevents import read_cloudevent
from services.health.usecases.usage.reading import UNREADABLE, read_event, rejection_of
from shared.bus.batches import Record
from shared.bus.retry import GiveUp
from shared.kernel.ids import is_account_id
from shared.observability.logging import get_logger

log = get_logger(__name__)

_KNOWN_ACCOUNTS = 200_000
_AT_ONCE = 1_000
"""Events that are turned into columns together: many save calls, few stay in the cache."""


@dataclass(slots=True)
class Read:
    """What was read of records: events by column, and the JSON texts they stand in."""

    arrivals: Arrivals = field(default_factory=Arrivals)
    values: list[bytes] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    poison: list[tuple[Record, GiveUp]] = field(default_factory=list)


class _Plain(NamedTuple):
    """A record whose value is what it should be, as far as types go."""

    record: Record
    came: Came
    wires: Sequence[Wire]


class _Run(NamedTuple):
    """Such records that are looked at together."""

    plains: Sequence[_Plain]
    wires: Sequence[Wire]
    columns: Columns
    values: Sequence[bytes]
    received: Sequence[datetime]


class RecordReader:
    """Reads records. ``wanted`` are the properties to add up, by event name."""

    def __init__(self) -> None:
        self.wanted: Wanted = {}
        self._accounts: set[str] = set()

    def read(self, records: Sequence[Record], now: datetime, into: Read) -> None:
        """Read records of one partition: plain ones together, the others one by one."""
        run: list[_Plain] = []
        stamp = came = None
        events = 0
        for record in records:
            if came is None or record.timestamp != stamp:
                stamp = record.timestamp
                came = Came(record.partition, _received_at(record, now))
            plain = self._decode(record, came)
            if plain is not None:
                run.append(plain)
                events += len(plain.wires)
                if events < _AT_ONCE:
                    continue
            self._take(run, into)
            run, events = [], 0
            if plain is None:
                self._read_slowly(record, came, into)
        self._take(run, into)

    def _decode(self, record: Record, came: Came) -> _Plain | None:
        value = record.value or b""
        if record.headers and is_binary(record):
            return None
        try:
            wires = decode(value, with_properties=bool(self.wanted))
        except UNREADABLE:
            return None
        if not wires or (len(value) > SURELY_FLAT_BYTES and may_be_odd(value, len(wires))):
            return None
        return _Plain(record, came, wires)

    def _take(self, plains: Sequence[_Plain], into: Read) -> None:
        """Take records all together, if every one of their events is as it should be."""
        if not plains:
            return
        run = _run_of(plains)
        if self._are_plain(run):
            if self.wanted:
                into.arrivals.amounts += amounts(run.wires, self.wanted, len(into.arrivals))
            _quickly(run, into)
        elif len(plains) > 1:
            for plain in plains:
                self._take([plain], into)
        else:
            self._read_slowly(plains[0].record, plains[0].came, into)

    def _are_plain(self, run: _Run) -> bool:
        """Tell whether events need none of the corrections and refusals of the domain."""
        times = run.columns.times
        return (
            oldest_at(max(run.received)) <= min(times)
            and max(times) <= min(run.received)
            and run.columns.are_storable(run.values)
            and self._can_be_accounts(set(run.columns.accounts))
        )

    def _can_be_accounts(self, accounts: set[str]) -> bool:
        if self._accounts.issuperset(accounts):
            return True
        if not all(map(is_account_id, accounts)):
            return False
        if len(self._accounts) > _KNOWN_ACCOUNTS:
            self._accounts.clear()
        self._accounts |= accounts
        return True

    def _read_slowly(self, record: Record, came: Came, into: Read) -> None:
        """Read events one by one as HTTP does, turning refusals into rejections."""
        try:
            texts = texts_of(record)
        except UNREADABLE as error:
            why = GiveUp("malformed_event", f"the value is not JSON: {error}")
            into.poison.append((record, why))
            return
        reception = Reception("", came.received_at)
        for text in texts:
            try:
                event = read_event(text, reception, read_cloudevent)
            except InvalidEvent as error:
                into.rejections.append(rejection_of(text, error, reception))
            except Exception as error:
                # Reading touches nothing but the event: tried again, it would fail as it did.
                log.exception("event_not_read", topic=record.topic, offset=record.offset)
                into.rejections.append(rejection_of(text, _unread(error), reception))
            else:
                self._add(event, came, into)

    def _add(self, event: UsageEvent, came: Came, into: Read) -> None:
        to, wanted = into.arrivals, self.wanted.get(event.name, ())
        if event.is_backfill:
            to.past.add(len(to))
        to.amounts += amounts_of(event.properties, wanted, len(to))
        to.keys += keys_of(event.source, [event.id])
        to.accounts.extend([str(event.account_id)])
        to.names.extend([event.name])
        to.users.extend([event.user_id])
        to.times.append(event.time)
        to.came.append(came)
        into.values.append(as_text(event))


def _unread(error: Exception) -> InvalidEvent:
    return InvalidEvent("defect", f"The event could not be read, a mistake of ours: {error!r}.")


def _run_of(plains: Sequence[_Plain]) -> _Run:
    wires = [wire for plain in plains for wire in plain.wires]
    return _Run(
        plains,
        wires,
        columns_of(wires),
        [plain.record.value or b"" for plain in plains],
        [plain.came.received_at for plain in plains],
    )


def _quickly(run: _Run, into: Read) -> None:
    to, columns = into.arrivals, run.columns
    to.past.update(_past(run, len(to)))
    to.keys += columns.keys()
    to.accounts.extend(columns.accounts)
    to.names.extend(columns.names)
    to.users.extend(columns.users)
    to.times += columns.times
    for plain in run.plains:
        to.came += [plain.came] * len(plain.wires)
    into.values += run.values


def _past(run: _Run, first: int) -> Iterator[int]:
    """Give the places of history: what says so, and what is old enough."""
    past, times = run.columns.past, run.columns.times
    if not any(past) and max(run.received) - min(times) <= BACKFILL_AFTER:
        return
    received = [plain.came.received_at for plain in run.plains for _ in plain.wires]
    events = zip(past, times, received, strict=True)
    for place, (is_past, time, came_at) in enumerate(events, first):
        if is_past or came_at - time > BACKFILL_AFTER:
            yield place


def _received_at(record: Record, now: datetime) -> datetime:
    """Return when a record came in: its stamp, which a sender may have set, unless it cannot be."""
    try:
        stamp = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return now
    return now if stamp > now or is_too_old(stamp, now) else stamp
