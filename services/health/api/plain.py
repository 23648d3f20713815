"""The fast road: a plain track message becomes a CloudEvent without a detour.

Nearly all that backends send is `track` with an account, a user, a time and flat properties. Such
a message is decoded straight into the members that count and encoded as it will travel; whatever
is unusual about it sends it down the ordinary road, which knows every rule and every refusal.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from services.health.domain.usage.event import (
    BACKFILL_AFTER,
    LONGEST_ID,
    LONGEST_NAME,
    MOST_AHEAD,
    Reception,
)
from shared.bus.packing import Value
from shared.kernel.ids import is_account_id

_is_account_id = lru_cache(maxsize=65_536)(is_account_id)
SURELY_FLAT = 50
"""An event with no more brackets than this needs no look at how deep they are nested."""

_NO_PROPERTIES: dict[str, Any] = {}
_SCALARS = frozenset({str, int, float, bool, type(None)})
_IN_PROPERTIES = ("groupId", "account_id", "company_id", "$groups")


class _Context(msgspec.Struct, gc=False):
    groupId: str | None = None  # noqa: N815 - the SDKs' spelling


class _Track(msgspec.Struct, gc=False):
    """The members of a message that count; the names are the SDKs'."""

    type: str
    event: str
    messageId: str  # noqa: N815 - the SDKs' spelling
    userId: str | None = None  # noqa: N815 - the SDKs' spelling
    anonymousId: str | None = None  # noqa: N815 - the SDKs' spelling
    groupId: str | None = None  # noqa: N815 - the SDKs' spelling
    timestamp: datetime | None = None
    context: _Context | None = None
    properties: dict[str, Any] | None = None


class _Data(msgspec.Struct, gc=False):
    user_id: str | None
    properties: dict[str, Any]


class _CloudEvent(msgspec.Struct, gc=False):
    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: _Data


_decode = msgspec.json.Decoder(_Track).decode
_encode = msgspec.json.Encoder().encode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def plain_reader(reception: Reception) -> Callable[[msgspec.Raw], Value | None]:
    """Return what turns a plain message into its account and CloudEvent, and others into None."""
    source, now, skew = reception.source, reception.received_at, reception.skew
    earliest, latest = now - BACKFILL_AFTER, now + MOST_AHEAD

    def read(raw: msgspec.Raw) -> Value | None:
        try:
            track = _decode(raw)
        except _UNREADABLE:
            return None
        properties = track.properties or _NO_PROPERTIES
        account_id = _account(track, properties)
        user_id = track.userId or track.anonymousId or None
        time = now if track.timestamp is None else _corrected(track.timestamp, skew)
        if (
            account_id is None
            or track.type != "track"
            or time is None
            or not earliest <= time <= latest
            or not _is_text(track, user_id)
        ):
            return None
        data = _Data(user_id, properties)
        event = _CloudEvent("1.0", track.messageId, source, track.event, account_id, time, data)
        encoded = _encode(event)
        return (account_id, encoded) if _is_storable(properties, encoded) else None

    return read


def _account(track: _Track, properties: dict[str, Any]) -> str | None:
    given = (track.context.groupId if track.context else None) or track.groupId
    if not given:
        # In the properties it may be a number, or a group: the ordinary road sorts that out.
        found = [properties[name] for name in _IN_PROPERTIES if properties.get(name)]
        given = found[0] if found and isinstance(found[0], str) else None
    return given if given and _is_account_id(given) else None


def _is_storable(properties: dict[str, Any], encoded: bytes) -> bool:
    """Tell whether an event surely holds neither NULs nor values nested beyond the limit."""
    if b"\\" in encoded and b"\\u0000" in encoded:
        return False
    is_flat = _SCALARS.issuperset(map(type, properties.values()))
    return is_flat or encoded.count(b"[") + encoded.count(b"{") <= SURELY_FLAT


def _corrected(time: datetime, skew: timedelta) -> datetime | None:
    try:
        return (time if time.tzinfo else time.replace(tzinfo=UTC)) + skew
    except OverflowError:
        return None


def _is_text(track: _Track, user_id: str | None) -> bool:
    return (
        0 < len(track.messageId) <= LONGEST_ID
        and 0 < len(track.event) <= LONGEST_NAME
        and len(user_id or "") <= LONGEST_ID
        and f"{track.messageId}{track.event}{user_id}".isprintable()
        and not track.event.isspace()
        and not track.messageId.isspace()
    )
