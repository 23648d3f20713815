"""The plain form of usage events: what of a CloudEvent counts, decoded into columns."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

import msgspec

from services.health.domain.usage.arrivals import Amount, amounts_of, keys_of
from services.health.domain.usage.counting import Wanted
from services.health.listeners.usage_exceptions import LONGEST_ID, UNREADABLE

_LONGEST_NAME = 200

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=_LONGEST_NAME)]
_User = Annotated[str, msgspec.Meta(max_length=LONGEST_ID)]
_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class _Data(msgspec.Struct, gc=False):
    user_id: _User | None = None


class Wire(msgspec.Struct, gc=False):
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


class _WireWithProperties(Wire, gc=False):
    data: _DataWithProperties


_LEAN = msgspec.json.Decoder(list[Wire] | Wire)
_FULL = msgspec.json.Decoder(list[_WireWithProperties] | _WireWithProperties)


class Columns(NamedTuple):
    """Plain events by column: a column is made faster than events are looped over."""

    ids: list[str]
    sources: list[str]
    names: list[str]
    accounts: list[str]
    users: list[str | None]
    times: list[datetime]
    past: list[bool]

    @property
    def are_printable(self) -> bool:
        """Whether all texts are, so that they can be stored and shown."""
        texts = [*self.ids, *self.sources, *self.names, *(user or "" for user in self.users)]
        return "".join(texts).isprintable()

    def keys(self) -> list[bytes]:
        """Return what stands for each (source, id)."""
        sources = set(self.sources)
        if len(sources) == 1:
            return keys_of(sources.pop(), self.ids)
        pairs = zip(self.sources, self.ids, strict=True)
        return [key for source, event_id in pairs for key in keys_of(source, [event_id])]


def decode(value: bytes, *, with_properties: bool) -> Sequence[Wire]:
    """Return the events of a record's value. Raises one of `UNREADABLE` unless all are plain."""
    decoded = (_FULL if with_properties else _LEAN).decode(value)
    return decoded if isinstance(decoded, list) else [decoded]


def is_simple(value: bytes) -> bool:
    """Tell whether a JSON text can hold nothing but printable ASCII, by a look at its bytes.

    JSON has no control characters but DEL in its texts other than escaped ones.
    """
    return value.isascii() and b"\\" not in value and b"\x7f" not in value


def columns_of(wires: Sequence[Wire]) -> Columns:
    """Return plain events by column. No user is None."""
    return Columns(
        [wire.id for wire in wires],
        [wire.source for wire in wires],
        [wire.type for wire in wires],
        [wire.subject for wire in wires],
        [wire.data.user_id or None for wire in wires],
        [wire.time for wire in wires],
        [wire.backfill for wire in wires],
    )


def amounts(wires: Sequence[Wire], wanted: Wanted, first: int) -> list[Amount]:
    """Return the numbers that are wanted of events, the first of which is at a place."""
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
