"""Segment's messages, as the SDKs of Segment and RudderStack send them."""

from collections.abc import Mapping
from typing import Any

from services.health.domain.usage.account import account_id, account_of
from services.health.domain.usage.event import (
    AliasCall,
    Call,
    GroupCall,
    IdentifyCall,
    Reception,
    UsageEvent,
)
from services.health.domain.usage.members import (
    LONGEST_ID,
    InvalidEvent,
    as_id,
    members,
    short,
    shown,
    text,
    user,
)

TYPES = ("track", "identify", "group", "page", "screen", "alias")


def read_message(message: object, reception: Reception) -> Call:
    """Read a Segment-shaped message. Raises `InvalidEvent` with a code and what to do."""
    if not isinstance(message, dict):
        raise InvalidEvent("not_an_object", "Each message of a batch is a JSON object.")
    kind = message.get("type")
    if kind == "track":
        return _read_usage(message, reception, text(message, "event"))
    if kind in ("page", "screen"):
        return _read_usage(message, reception, f"Viewed {_page(message, str(kind))}")
    if kind == "group":
        return _read_group(message, reception)
    if kind == "identify":
        return _read_identify(message, reception)
    if kind == "alias":
        return _read_alias(message, reception)
    raise InvalidEvent("unsupported_type", f"type {shown(kind)} is not one of {', '.join(TYPES)}.")


def message_id(message: Mapping[str, Any], name: str = "messageId") -> str:
    """Return the id that keeps a message from counting twice. Raises `InvalidEvent`."""
    found = as_id(message.get(name))
    if found is None or not found.strip():
        raise InvalidEvent(
            "missing_id", f"Set {name}, unique per event and the same when it is sent again."
        )
    return short(found, name, longest=LONGEST_ID)


def _read_usage(message: Mapping[str, Any], reception: Reception, name: str) -> UsageEvent:
    properties = members(message, "properties")
    sent = message.get("timestamp")
    time = reception.event_time(message.get("originalTimestamp") if sent in (None, "") else sent)
    return UsageEvent(
        id=message_id(message),
        source=reception.source,
        name=short(name, "event"),
        time=time,
        account_id=account_of(message, properties, reception.groups),
        user_id=user(message, "userId", "anonymousId"),
        properties=properties,
        is_backfill=reception.is_backfill(time),
    )


def _page(message: Mapping[str, Any], kind: str) -> str:
    names = (message.get("name"), message.get("category"))
    return next((name for name in names if isinstance(name, str) and name.strip()), kind)


def _read_group(message: Mapping[str, Any], reception: Reception) -> GroupCall:
    if message.get("groupId") in (None, ""):
        raise InvalidEvent("missing_account", "group needs a groupId: the id of the account.")
    return GroupCall(
        id=message_id(message),
        source=reception.source,
        account_id=account_id(message["groupId"]),
        user_id=user(message, "userId", "anonymousId"),
        traits=members(message, "traits"),
    )


def _read_identify(message: Mapping[str, Any], reception: Reception) -> IdentifyCall:
    user_id = user(message, "userId", "anonymousId")
    if user_id is None:
        raise InvalidEvent("missing_user", "identify needs a userId.")
    previous = user(message, "anonymousId")
    return IdentifyCall(
        id=message_id(message),
        source=reception.source,
        user_id=user_id,
        account_id=account_of(message, members(message, "traits"), reception.groups),
        previous_id=previous if previous != user_id else None,
    )


def _read_alias(message: Mapping[str, Any], reception: Reception) -> AliasCall:
    previous, user_id = user(message, "previousId"), user(message, "userId")
    if previous is None or user_id is None:
        raise InvalidEvent("missing_user", "alias needs a previousId and a userId.")
    return AliasCall(message_id(message), reception.source, previous, user_id)
