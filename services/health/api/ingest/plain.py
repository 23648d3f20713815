"""The fast road: plain track messages become CloudEvents without a detour.

Nearly all that backends send is `track` with an account, a user, a time and some properties. Such
a message is decoded straight into the members that count and encoded as it will travel; whatever
is unusual about it sends it down the ordinary road, which knows every rule and every refusal.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec

from services.health.domain.usage.event import BACKFILL_AFTER, LARGEST_EVENT, MOST_AHEAD, Reception
from services.health.domain.usage.members import DEEPEST, LONGEST_ID, LONGEST_NAME
from services.health.usecases.usage.reading import may_be_unstorable
from shared.bus.packing import Value
from shared.kernel.ids import is_account_id

_SURELY_FLAT_BYTES = 2 * DEEPEST + 110
"""Each level takes two bytes, and the frame of an event more than the rest."""

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_NAME)]
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)]
_User = Annotated[str, msgspec.Meta(max_length=LONGEST_ID)] | None
_Time = Annotated[datetime, msgspec.Meta(tz=True)] | None


class _Context(msgspec.Struct, gc=False):
    groupId: str | None = None  # noqa: N815 - the SDKs' spelling


class _Track(msgspec.Struct, gc=False):
    """The members of a message that count; the names are the SDKs'."""

    type: Literal["track"]
    event: _Name
    messageId: _Id  # noqa: N815 - the SDKs' spelling
    userId: _User = None  # noqa: N815 - the SDKs' spelling
    anonymousId: _User = None  # noqa: N815 - the SDKs' spelling
    groupId: str | None = None  # noqa: N815 - the SDKs' spelling
    timestamp: _Time = None
    originalTimestamp: _Time = None  # noqa: N815 - the SDKs' spelling
    context: _Context | None = None
    properties: dict[str, Any] | None = None


class _Data(msgspec.Struct, gc=False):
    user_id: str | None
    properties: Mapping[str, Any]


class _CloudEvent(msgspec.Struct, gc=False):
    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: _Data


class _Batch(msgspec.Struct):
    batch: list[_Track]


_decode = msgspec.json.Decoder(_Track).decode
_decode_batch = msgspec.json.Decoder(_Batch).decode
_encode_lines = msgspec.json.Encoder().encode_lines
_is_account_id = lru_cache(maxsize=65_536)(is_account_id)
_NO_PROPERTIES: Mapping[str, Any] = {}
_IN_PROPERTIES = ("groupId", "account_id", "company_id", "$groups")
_UNUSUAL = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError)
_ESCAPE = b"\\"


def take_plain(
    raws: Sequence[msgspec.Raw], reception: Reception, body: bytes | None = None
) -> tuple[list[Value], Sequence[int]]:
    """Return the plain messages, encoded, with their accounts; and the places of all others.

    ``body`` is the whole batch the messages stand in, if they stand in one.
    """
    tracks = _tracks(raws, body)
    events, others = _read(tracks, reception)
    if not _are_texts(tracks):
        return [], range(len(raws))
    # One call for all of them costs half of one call each, and JSON holds no line ends.
    encoded = _encode_lines(events)
    lines = encoded.splitlines()
    longest = len(max(lines, key=len, default=b""))
    is_odd = _ESCAPE in encoded or longest > _SURELY_FLAT_BYTES
    if longest > LARGEST_EVENT or (is_odd and any(map(may_be_unstorable, lines))):
        return [], range(len(raws))
    return list(zip([event.subject for event in events], lines, strict=True)), others


def _tracks(raws: Sequence[msgspec.Raw], body: bytes | None) -> Sequence[_Track | None]:
    """Decode messages, at once where all look plain; None stands for one that does not."""
    if body is not None and max(map(len, raws), default=0) <= LARGEST_EVENT:
        with suppress(*_UNUSUAL):
            return _decode_batch(body).batch
    return [_track(raw) for raw in raws]


def _track(raw: msgspec.Raw) -> _Track | None:
    try:
        return _decode(raw) if len(raw) <= LARGEST_EVENT else None
    except _UNUSUAL:
        return None


def _read(
    tracks: Sequence[_Track | None], reception: Reception
) -> tuple[list[_CloudEvent], list[int]]:
    """Read what looks plain. In one loop: it runs for each event that a customer's user causes."""
    source, now, skew = reception.source, reception.received_at, reception.skew
    earliest, latest = now - BACKFILL_AFTER, now + MOST_AHEAD
    # A clock far off could overflow below.
    earliest_sent, latest_sent = earliest - skew, latest - skew
    events: list[_CloudEvent] = []
    others: list[int] = []
    for place, track in enumerate(tracks):
        if track is None:
            others.append(place)
            continue
        context = track.context
        account_id = (context and context.groupId) or track.groupId or _in_properties(track)
        sent = track.timestamp or track.originalTimestamp
        if not (
            account_id
            and _is_account_id(account_id)
            and (sent is None or earliest_sent <= sent <= latest_sent)
        ):
            others.append(place)
            continue
        time = now if sent is None else sent + skew
        data = _Data(track.userId or track.anonymousId or None, track.properties or _NO_PROPERTIES)
        events.append(
            _CloudEvent("1.0", track.messageId, source, track.event, account_id, time, data)
        )
    return events, others


def _in_properties(track: _Track) -> str | None:
    """Return the account that the properties name, if it is text that needs no sorting out."""
    properties = track.properties or _NO_PROPERTIES
    found = [properties[name] for name in _IN_PROPERTIES if properties.get(name)]
    return found[0] if found and isinstance(found[0], str) else None


def _are_texts(tracks: Sequence[_Track | None]) -> bool:
    """Tell whether ids, names and users can all be printed, and none may be blank."""
    plain = [track for track in tracks if track]
    texts = [track.messageId for track in plain]
    # Ids differ; names and users are few, and each needs a look but once.
    texts += {track.event for track in plain}
    texts += {track.userId or track.anonymousId or "" for track in plain}
    joined = "|".join(texts)
    return joined.isprintable() and not joined.startswith(" ") and "| " not in joined
