"""The plain form of usage events: what of a CloudEvent counts, decoded into columns."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from services.health.domain.usage.arrivals import Amount, amounts_of, keys_of
from services.health.domain.usage.counting import Wanted
from services.health.domain.usage.event import LARGEST_EVENT
from services.health.domain.usage.members import LONGEST_ID, LONGEST_NAME
from services.health.usecases.usage.reading import UNREADABLE, may_be_unstorable

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_NAME)]
_UserId = Annotated[str, msgspec.Meta(max_length=LONGEST_ID)]
_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class _Object(msgspec.Struct, gc=False):
    """An object, whatever is in it."""


class _User(msgspec.Struct, gc=False):
    user_id: _UserId | None = None
    userId: None = None  # noqa: N815 - who writes it so is counted, by the domain


class _Data(_User, gc=False):
    properties: _Object | None = None


class _Frame(msgspec.Struct, gc=False, kw_only=True):
    """The parts of a CloudEvent that count; the rest is skipped without being parsed.

    What does not fit is no error yet: it is read again, slowly, by the domain.
    """

    specversion: Literal["1.0"]
    id: _Id
    source: _Id
    type: _Name
    subject: str
    time: _Time
    backfill: bool = False


class _Wire(_Frame, gc=False):
    data: _Data


class _DataWithProperties(_User, gc=False):
    properties: msgspec.Raw = msgspec.Raw(b"{}")


class _WireWithProperties(_Frame, gc=False):
    data: _DataWithProperties


Wire = _Wire | _WireWithProperties
_LEAN = msgspec.json.Decoder(list[_Wire] | _Wire)
_FULL = msgspec.json.Decoder(list[_WireWithProperties] | _WireWithProperties)
SURELY_FLAT_BYTES = 300
"""What is nested too deeply has more: each level takes two, and the rest of an event a hundred."""

_EACH_HAS = b'"specversion"'
_BEGIN_OBJECT = b"{n"
"""An object, or null."""

_STRIDE = LARGEST_EVENT // 2
_UNSTORABLE = re.compile(rb"\\u(0000|[dD][89a-fA-F])")


class Columns(NamedTuple):
    """Plain events by column: a column is made faster than events are looped over."""

    ids: list[str]
    sources: list[str]
    names: list[str]
    accounts: list[str]
    users: list[str | None]
    times: list[datetime]
    past: list[bool]

    def are_storable(self, values: Sequence[bytes]) -> bool:
        """Whether texts can be printed, none is blank, and what is skipped can be read.

        ``values`` are the JSON texts they stand in: one look at all those is often enough.
        """
        joined = b"".join(values)
        if b" " in joined and self._may_be_blank():
            return False
        return is_simple(joined) or (self._are_printable() and all(map(_can_be_read, values)))

    def _may_be_blank(self) -> bool:
        """Tell whether a text begins with a space: nothing that can be printed sorts before it."""
        users = filter(None, self.users)
        least = (min(self.ids), min(self.sources), min(self.names), min(users, default="~"))
        return min(least) < "!"

    def _are_printable(self) -> bool:
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
    decoded: Any = (_FULL if with_properties else _LEAN).decode(value)
    wires: Sequence[Wire] = decoded if isinstance(decoded, list) else [decoded]
    if with_properties and not all(_is_object(wire) for wire in wires):
        raise msgspec.ValidationError("properties are an object")
    return wires


def may_be_odd(value: bytes, events: int) -> bool:
    """Tell whether an event may be larger than it may be, or, where it is alone, nested deeper.

    Depth in an array is not looked at: it would take as long as all the rest of the decoding.
    """
    if events == 1:
        return len(value) > LARGEST_EVENT or may_be_unstorable(value)
    return len(value) > LARGEST_EVENT and _has_gap(value)


def _has_gap(value: bytes) -> bool:
    """Tell whether a word that each event has is missing for so long that one may be too large."""
    at = 0
    while len(value) - at > _STRIDE:
        at = value.rfind(_EACH_HAS, at + 1, at + _STRIDE)
        if at < 0:
            return True
    return False


def _is_object(wire: Wire) -> bool:
    properties = wire.data.properties
    return isinstance(properties, msgspec.Raw) and memoryview(properties)[0] in _BEGIN_OBJECT


def is_simple(value: bytes) -> bool:
    """Tell whether a JSON text can hold nothing but printable ASCII, by a look at its bytes.

    JSON has no control characters but DEL in its texts other than escaped ones.
    """
    return value.isascii() and b"\\" not in value and b"\x7f" not in value


def _can_be_read(value: bytes) -> bool:
    """Tell whether what is skipped is text: all in UTF-8, no NUL, no half of a surrogate."""
    if b"\\" in value and _UNSTORABLE.search(value):
        return False
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


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
        if wire.type in wanted and isinstance(wire, _WireWithProperties):
            properties = _properties(wire.data.properties)
            found += amounts_of(properties, wanted[wire.type], place)
    return found


def _properties(text: msgspec.Raw) -> Mapping[str, object]:
    try:
        properties = msgspec.json.decode(text)
    except UNREADABLE:
        return {}
    return properties if isinstance(properties, dict) else {}
