"""Reading usage records: JSON texts become columns of events, rejections and dead letters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Literal, NamedTuple

import msgspec

from services.health.domain.usage.counting import Amount, Arrivals, Wanted, amounts_of, keys_of
from services.health.domain.usage.event import (
    InvalidEvent,
    Reception,
    UsageEvent,
    is_too_old,
    oldest_at,
    read_cloudevent,
)
from services.health.listeners.usage_exceptions import (
    LONGEST_ID,
    UNREADABLE,
    as_text,
    from_binary,
    is_binary,
    rejection_of,
)
from services.health.storage.intake import Rejection
from services.health.storage.watermarks import Seen
from shared.bus.batches import Record
from shared.bus.retry import GiveUp
from shared.kernel.ids import is_account_id

_LONGEST_NAME = 200
_KNOWN_ACCOUNTS = 200_000

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=_LONGEST_NAME)]
_User = Annotated[str, msgspec.Meta(max_length=LONGEST_ID)]
_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class _Data(msgspec.Struct, gc=False):
    user_id: _User | None = None


class _Wire(msgspec.Struct, gc=False):
    """The parts of a CloudEvent that count; the rest is skipped without being parsed.

    What does not fit is no error yet: it is read again, slowly, by the domain.
    """

    specversion: Literal["1.0"]
    id: _Id
    source: _Id
    type: _Name
    subject: str
    time: _Time
    data: _Data
    backfill: bool = False


class _DataWithProperties(_Data, gc=False):
    properties: msgspec.Raw = msgspec.Raw(b"{}")


class _WireWithProperties(_Wire, gc=False):
    data: _DataWithProperties


_LEAN = msgspec.json.Decoder(list[_Wire] | _Wire)
_FULL = msgspec.json.Decoder(list[_WireWithProperties] | _WireWithProperties)


@dataclass(slots=True)
class Read:
    """What was read of records: events by column, and the JSON texts they stand in."""

    arrivals: Arrivals = field(default_factory=Arrivals)
    values: list[bytes] = field(default_factory=list)
    latest: dict[str, Seen] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)
    poison: list[tuple[Record, GiveUp]] = field(default_factory=list)


class _Plain(NamedTuple):
    """A record whose value is what it should be, as far as types go."""

    record: Record
    received_at: datetime
    wires: Sequence[_Wire]


class RecordReader:
    """Reads records. ``wanted`` are the properties to add up, by event name."""

    def __init__(self) -> None:
        self.wanted: Wanted = {}
        self._accounts: set[str] = set()

    def read(self, records: Sequence[Record], now: datetime, into: Read) -> None:
        """Read records of one partition: plain ones together, the others one by one."""
        run: list[_Plain] = []
        received_at, stamp = now, None
        for record in records:
            if record.timestamp != stamp:
                stamp = record.timestamp
                received_at = _received_at(record, now)
            plain = self._decode(record, received_at)
            if plain is not None:
                run.append(plain)
                continue
            self._take(run, into)
            run = []
            self._read_slowly(record, received_at, into)
        self._take(run, into)

    def _decode(self, record: Record, received_at: datetime) -> _Plain | None:
        if record.headers and is_binary(record):
            return None
        try:
            decoded = (_FULL if self.wanted else _LEAN).decode(record.value or b"")
        except UNREADABLE:
            return None
        wires = decoded if isinstance(decoded, list) else [decoded]
        return _Plain(record, received_at, wires) if wires else None

    def _take(self, run: Sequence[_Plain], into: Read) -> None:
        """Take records all together, if every one of their events is as it should be."""
        if not run:
            return
        wires = [wire for plain in run for wire in plain.wires] if len(run) > 1 else run[0].wires
        if self._are_plain(wires, [plain.received_at for plain in run]):
            self._quickly(run, wires, into)
        elif len(run) > 1:
            for plain in run:
                self._take([plain], into)
        else:
            self._read_slowly(run[0].record, run[0].received_at, into)

    def _are_plain(self, wires: Sequence[_Wire], received: Sequence[datetime]) -> bool:
        """Tell whether events need none of the corrections and refusals of the domain."""
        times = [wire.time for wire in wires]
        accounts = {wire.subject for wire in wires}
        texts = [wire.id for wire in wires]
        texts += {wire.source for wire in wires}
        texts += {wire.type for wire in wires}
        texts += {wire.data.user_id or "" for wire in wires}
        return (
            oldest_at(max(received)) <= min(times)
            and max(times) <= min(received)
            and "".join(texts).isprintable()
            and (self._accounts.issuperset(accounts) or self._can_be_accounts(accounts))
        )

    def _can_be_accounts(self, accounts: set[str]) -> bool:
        if not all(map(is_account_id, accounts)):
            return False
        if len(self._accounts) > _KNOWN_ACCOUNTS:
            self._accounts.clear()
        self._accounts |= accounts
        return True

    def _quickly(self, run: Sequence[_Plain], wires: Sequence[_Wire], into: Read) -> None:
        to, first = into.arrivals, len(into.arrivals)
        to.keys += _keys(wires)
        to.accounts += [wire.subject for wire in wires]
        to.names += [wire.type for wire in wires]
        to.users += [wire.data.user_id or None for wire in wires]
        to.times += [wire.time for wire in wires]
        into.values += [plain.record.value or b"" for plain in run]
        if self.wanted:
            to.amounts += _amounts(wires, self.wanted, first)
        stamps = [run[0].received_at] * len(wires)
        if len(run) > 1:
            stamps = [plain.received_at for plain in run for _ in plain.wires]
        to.received.update(zip(to.accounts[first:], stamps, strict=True))
        past = [wire for wire in wires if wire.backfill]
        to.backfilled.update(wire.subject for wire in past)
        for wire in past:
            _keep_latest(wire.subject, wire.time, to.last)
        live = wires
        if past:
            stamps = [stamp for wire, stamp in zip(wires, stamps, strict=True) if not wire.backfill]
            live = [wire for wire in wires if not wire.backfill]
        _note_live(_latest(live, stamps), run[0].record.partition, into)

    def _read_slowly(self, record: Record, received_at: datetime, into: Read) -> None:
        came = (record, received_at)
        if is_binary(record):
            self._slowly([from_binary(record)], came, into)
        else:
            self._as_json(record.value or b"", came, into)

    def _as_json(self, value: bytes, came: tuple[Record, datetime], into: Read) -> None:
        try:
            body = msgspec.json.decode(value)
        except UNREADABLE as error:
            why = GiveUp("malformed_event", f"the value is not JSON: {error}")
            into.poison.append((came[0], why))
            return
        self._slowly(body if isinstance(body, list) else [body], came, into)

    def _slowly(self, events: Iterable[object], came: tuple[Record, datetime], into: Read) -> None:
        """Read events one by one as the domain does, turning refusals into rejections."""
        record, received_at = came
        for event in events:
            try:
                found = read_cloudevent(event, Reception("", received_at))
            except InvalidEvent as error:
                into.rejections.append(rejection_of(event, error, received_at))
                continue
            is_backfill = isinstance(event, dict) and event.get("backfill") is True
            self._add(found, (record.partition, received_at, is_backfill), into)

    def _add(self, event: UsageEvent, came: tuple[int, datetime, bool], into: Read) -> None:
        (partition, received_at, is_backfill), to = came, into.arrivals
        account_id = str(event.account_id)
        wanted = self.wanted.get(event.name, ())
        to.amounts += amounts_of(event.properties, wanted, len(to))
        to.keys += keys_of(event.source, [event.id])
        to.accounts.append(account_id)
        to.names.append(event.name)
        to.users.append(event.user_id)
        to.times.append(event.time)
        to.received[account_id] = received_at
        into.values.append(as_text(event))
        if is_backfill:
            to.backfilled.add(account_id)
            _keep_latest(account_id, event.time, to.last)
        else:
            _note_live({account_id: (event.time, received_at)}, partition, into)


def _keys(wires: Sequence[_Wire]) -> list[bytes]:
    source = wires[0].source
    if all(wire.source == source for wire in wires):
        return keys_of(source, [wire.id for wire in wires])
    return [key for wire in wires for key in keys_of(wire.source, [wire.id])]


def _amounts(wires: Sequence[_Wire], wanted: Wanted, first: int) -> list[Amount]:
    found: list[Amount] = []
    for place, wire in enumerate(wires, first):
        if wire.type in wanted and isinstance(wire.data, _DataWithProperties):
            properties = _properties(wire.data.properties)
            found += amounts_of(properties, wanted[wire.type], place)
    return found


def _properties(text: msgspec.Raw) -> Mapping[str, object]:
    try:
        properties = msgspec.json.decode(text)
    except UNREADABLE:
        return {}
    return properties if isinstance(properties, dict) else {}


def _latest(
    wires: Sequence[_Wire], stamps: Sequence[datetime]
) -> dict[str, tuple[datetime, datetime]]:
    """Return the latest time of each account, and when that event came in."""
    found: dict[str, tuple[datetime, datetime]] = {}
    for wire, stamp in zip(wires, stamps, strict=True):
        account_id, time = wire.subject, wire.time
        if account_id not in found or time > found[account_id][0]:
            found[account_id] = (time, stamp)
    return found


def _keep_latest(account_id: str, time: datetime, last: dict[str, datetime]) -> None:
    if account_id not in last or time > last[account_id]:
        last[account_id] = time


def _note_live(found: Mapping[str, tuple[datetime, datetime]], partition: int, into: Read) -> None:
    for account_id, (time, received_at) in found.items():
        _keep_latest(account_id, time, into.arrivals.last)
        seen = into.latest.get(account_id)
        if seen is None or time > seen.event_time:
            into.latest[account_id] = Seen(partition, time, received_at)


def _received_at(record: Record, now: datetime) -> datetime:
    """Return when a record came in: its stamp, which is its sender's, unless that cannot be."""
    try:
        stamp = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return now
    return now if stamp > now or is_too_old(stamp, now) else stamp
