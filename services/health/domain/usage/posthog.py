"""PostHog's captures, as its SDKs send them."""

import json
from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any
from urllib.parse import urlsplit

from services.health.domain.usage.account import account_id, account_of
from services.health.domain.usage.event import (
    AliasCall,
    Call,
    GroupCall,
    IdentifyCall,
    NoUse,
    Reception,
    UsageEvent,
)
from services.health.domain.usage.members import InvalidEvent, members, short, text, user
from services.health.domain.usage.segment import message_id

_NO_USE = frozenset(
    {
        "$feature_flag_called",
        "$exception",
        "$pageleave",
        "$web_vitals",
        "$snapshot",
        "$$heatmap",
        "$performance_event",
        "$opt_in",
        "$rageclick",
        "$dead_click",
    }
)
"""What the SDKs report about themselves, or a second time about one act."""


def read_capture(capture: object, reception: Reception, alike: Counter[str] | None = None) -> Call:
    """Read a PostHog event. Raises `InvalidEvent` with a code and what to do.

    ``alike`` counts the events of a request that have no id and are alike in everything.
    """
    if not isinstance(capture, dict):
        raise InvalidEvent("not_an_object", "Each event of a batch is a JSON object.")
    properties = members(capture, "properties")
    capture_id = _id_of(capture, properties, Counter() if alike is None else alike)
    name = text(capture, "event")
    if name in _NO_USE:
        return NoUse(capture_id, reception.source, name)
    if name in {"$identify", "$set", "$set_once"}:
        return _identify(capture_id, capture, properties, reception)
    if name == "$groupidentify":
        return _group(capture_id, properties, reception)
    if name in {"$create_alias", "$merge_dangerously"}:
        return _alias(capture_id, capture, properties, reception)
    return _usage(capture_id, capture, properties, reception)


def _id_of(capture: Mapping[str, Any], properties: Mapping[str, Any], alike: Counter[str]) -> str:
    """Return the id of an event: its uuid, or what SDKs sent before they made one.

    posthog-python up to 5, posthog-node up to 2 and posthog-go make none: what they keep when they
    send again is the batch itself. In JavaScript a user may do the same several times within the
    millisecond of a timestamp: such events are told apart by their order in the batch.
    """
    if capture.get("uuid") in (None, ""):
        if properties.get("$insert_id"):
            return message_id(properties, "$insert_id")
        if capture.get("messageId"):
            return message_id(capture)
        if isinstance(capture.get("timestamp"), str):
            digest = _digest(capture, properties)
            alike[digest] += 1
            return digest if alike[digest] == 1 else f"{digest}-{alike[digest]}"
    return message_id(capture, "uuid")


def _digest(capture: Mapping[str, Any], properties: Mapping[str, Any]) -> str:
    said = [*map(capture.get, ("event", "distinct_id", "timestamp")), properties]
    return blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=16).hexdigest()


def _usage(
    capture_id: str, capture: Mapping[str, Any], properties: Mapping[str, Any], reception: Reception
) -> UsageEvent:
    time = reception.event_time(capture.get("timestamp"))
    return UsageEvent(
        id=capture_id,
        source=reception.source,
        name=short(_name(str(capture["event"]), properties), "event"),
        time=time,
        account_id=account_of({}, properties, reception.groups),
        user_id=_user(capture, properties),
        properties=properties,
        is_backfill=reception.is_backfill(time),
    )


def _name(name: str, properties: Mapping[str, Any]) -> str:
    if name == "$screen":
        return f"Viewed {_text_in(properties, 'name', '$screen_name') or 'screen'}"
    if name == "$pageview":
        return f"Viewed {_text_in(properties, 'name') or _section(properties)}"
    return name


def _section(properties: Mapping[str, Any]) -> str:
    """Return the first part of a page's path: whole paths hold ids, and would be countless."""
    path = _text_in(properties, "$pathname") or _path(_text_in(properties, "$current_url"))
    first = path.strip("/").partition("/")[0]
    return f"/{first}" if path else "page"


def _path(url: str) -> str:
    try:
        return urlsplit(url).path or ("/" if url else "")
    except ValueError:
        return ""


def _text_in(properties: Mapping[str, Any], *names: str) -> str:
    values = (properties.get(name) for name in names)
    return next((value for value in values if isinstance(value, str) and value.strip()), "")


def _user(capture: Mapping[str, Any], properties: Mapping[str, Any]) -> str | None:
    """Return who did it; nobody when the SDK made the id up for want of a better one."""
    if properties.get("$process_person_profile") is False:
        return None
    return user(capture, "distinct_id") or user(properties, "distinct_id")


def _identify(
    capture_id: str, capture: Mapping[str, Any], properties: Mapping[str, Any], reception: Reception
) -> IdentifyCall:
    user_id = user(capture, "distinct_id") or user(properties, "distinct_id")
    if user_id is None:
        raise InvalidEvent("missing_user", f"{capture['event']} needs a distinct_id.")
    previous = user(properties, "$anon_distinct_id")
    return IdentifyCall(
        id=capture_id,
        source=reception.source,
        user_id=user_id,
        account_id=account_of({}, properties, reception.groups),
        previous_id=previous if previous != user_id else None,
    )


def _group(capture_id: str, properties: Mapping[str, Any], reception: Reception) -> Call:
    group_type = text(properties, "$group_type")
    if not reception.groups.has(group_type):
        return NoUse(capture_id, reception.source, "$groupidentify")
    if properties.get("$group_key") in (None, ""):
        raise InvalidEvent("missing_account", "$groupidentify needs a $group_key: the account id.")
    traits = properties.get("$group_set")
    return GroupCall(
        id=capture_id,
        source=reception.source,
        account_id=account_id(properties["$group_key"]),
        user_id=None,  # the SDKs make one up for this call
        traits=traits if isinstance(traits, dict) else {},
    )


def _alias(
    capture_id: str, capture: Mapping[str, Any], properties: Mapping[str, Any], reception: Reception
) -> AliasCall:
    previous = user(properties, "alias")
    user_id = user(capture, "distinct_id") or user(properties, "distinct_id")
    if previous is None or user_id is None:
        raise InvalidEvent("missing_user", "An alias needs a distinct_id and properties.alias.")
    return AliasCall(capture_id, reception.source, previous, user_id)
