"""A usage event: something a user did in the product, at an event time.

Product backends say it as Segment-shaped messages or as CloudEvents; both become a `UsageEvent`,
or a `Rejection` that says what is wrong and what to do.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.kernel.errors import Invalid
from shared.kernel.ids import is_account_id

_MOST_AHEAD = timedelta(hours=24)
_MOST_BEHIND = timedelta(days=3660)
_ACCOUNT_PROPERTIES = ("groupId", "account_id", "company_id")
_LONGEST_NAME = 200
_LONGEST_ID = 256
_DEEPEST = 100


class InvalidEvent(Invalid):
    """The event cannot be counted as it is."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = code


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """One use of the product. ``account_id`` is None while nobody knows whose it is."""

    id: str
    source: str
    name: str
    time: datetime
    account_id: str | None
    user_id: str | None
    properties: Mapping[str, Any]

    def to_cloudevent(self) -> dict[str, Any]:
        """Return the form in which it travels on the usage topic."""
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.name,
            "subject": self.account_id,
            "time": self.time.isoformat().replace("+00:00", "Z"),
            "data": {"user_id": self.user_id, "properties": self.properties},
        }


@dataclass(frozen=True, slots=True)
class GroupCall:
    """A product backend named an account and, perhaps, a user who belongs to it."""

    id: str
    source: str
    account_id: str
    user_id: str | None
    traits: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class IdentifyCall:
    """A product backend named a user and, perhaps, the account they belong to."""

    id: str
    source: str
    user_id: str
    account_id: str | None


Call = UsageEvent | GroupCall | IdentifyCall


@dataclass(frozen=True, slots=True)
class Reception:
    """How a batch came in: from which source, when, and when its sender says it was sent."""

    source: str
    received_at: datetime
    sent_at: datetime | None = None

    def event_time(self, timestamp: object) -> datetime:
        """Return when an event happened, by our clock.

        The sender's clock may be wrong by an unknown amount, but the time from event to sending
        was measured on one clock: ``received_at - (sent_at - timestamp)``. An event more than a
        day ahead is moved to now: nothing that matters happens in the future. One from before
        ten years ago is a mistake (a clock at zero), and would have all days since then judged.
        Raises `InvalidEvent`.
        """
        if timestamp is None:
            return self.received_at
        time = self._corrected(read_time(timestamp))
        if is_too_old(time, self.received_at):
            raise InvalidEvent("invalid_timestamp", f"{time.isoformat()} is over ten years ago.")
        return self.received_at if time - self.received_at > _MOST_AHEAD else time

    def _corrected(self, time: datetime) -> datetime:
        if self.sent_at is None:
            return time
        try:
            return self.received_at - (self.sent_at - time)
        except OverflowError:  # a sender whose clock is thousands of years wrong
            return time


def read_message(message: object, reception: Reception) -> Call:
    """Read a Segment-shaped message. Raises `InvalidEvent` with a code and what to do."""
    if not isinstance(message, dict):
        raise InvalidEvent("not_an_object", "Each message of a batch is a JSON object.")
    kind = message.get("type")
    if kind == "track":
        return _read_usage(message, reception, _text(message, "event"))
    if kind in {"page", "screen"}:
        name = message.get("name") or message.get("category") or kind
        return _read_usage(message, reception, f"Viewed {name}")
    if kind == "group":
        return _read_group(message, reception)
    if kind == "identify":
        return _read_identify(message, reception)
    raise InvalidEvent(
        "unsupported_type",
        f"type {kind!r} is not one of track, page, screen, group, identify.",
    )


def read_cloudevent(event: object, reception: Reception) -> UsageEvent:
    """Read a CloudEvent; its subject is the account, its type the name of the event."""
    if not isinstance(event, dict):
        raise InvalidEvent("not_an_object", "A CloudEvent is a JSON object.")
    if event.get("specversion") != "1.0":
        raise InvalidEvent("invalid_specversion", 'Set "specversion" to "1.0".')
    subject = event.get("subject")
    if not is_account_id(subject):
        raise InvalidEvent("missing_account", "Set subject to the id of the account.")
    data = event.get("data")
    data = data if isinstance(data, dict) else {}
    properties = data.get("properties")
    return UsageEvent(
        id=_text(event, "id", longest=_LONGEST_ID),
        source=_text(event, "source", longest=_LONGEST_ID),
        name=_text(event, "type"),
        time=reception.event_time(event.get("time")),
        account_id=subject,
        user_id=_user(data, "user_id", "userId"),
        properties=properties if isinstance(properties, dict) else {},
    )


def check_storable(message: object) -> None:
    """Raise `InvalidEvent` for what could not be kept or sent on: endless nesting, and NULs."""
    level = [message]
    for _ in range(_DEEPEST):
        if any(isinstance(part, str) and "\x00" in part for part in level):
            raise InvalidEvent("invalid_text", "The event holds NUL characters; remove them.")
        level = [inner for part in level for inner in _inside(part)]
        if not level:
            return
    raise InvalidEvent("too_deep", f"The event is nested deeper than {_DEEPEST} levels.")


def is_too_old(time: datetime, now: datetime) -> bool:
    """Tell whether a time is so long ago that it is a mistake."""
    return now - time > _MOST_BEHIND


def oldest_at(now: datetime) -> datetime:
    """Return the earliest time that is no mistake."""
    return now - _MOST_BEHIND


def read_time(value: object) -> datetime:
    """Read an RFC 3339 time. Raises `InvalidEvent`."""
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        raise InvalidEvent(
            "invalid_timestamp", f"{value!r} is not an RFC 3339 time like 2026-01-31T12:00:00Z."
        ) from None
    try:
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise InvalidEvent("invalid_timestamp", f"{value!r} is out of range.") from None


def _inside(part: object) -> Iterable[object]:
    if isinstance(part, dict):
        return [*part, *part.values()]
    return part if isinstance(part, list) else ()


def _read_usage(message: Mapping[str, Any], reception: Reception, name: str) -> UsageEvent:
    properties = message.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    return UsageEvent(
        id=_message_id(message),
        source=reception.source,
        name=_short(name, "event"),
        time=reception.event_time(message.get("timestamp")),
        account_id=_account(message, properties),
        user_id=_user(message, "userId", "anonymousId"),
        properties=properties,
    )


def _read_group(message: Mapping[str, Any], reception: Reception) -> GroupCall:
    account_id = message.get("groupId")
    if not is_account_id(account_id):
        raise InvalidEvent("missing_account", "group needs a groupId: the id of the account.")
    traits = message.get("traits")
    return GroupCall(
        id=_message_id(message),
        source=reception.source,
        account_id=str(account_id),
        user_id=_user(message, "userId"),
        traits=traits if isinstance(traits, dict) else {},
    )


def _read_identify(message: Mapping[str, Any], reception: Reception) -> IdentifyCall:
    user_id = _user(message, "userId", "anonymousId")
    if user_id is None:
        raise InvalidEvent("missing_user", "identify needs a userId.")
    traits = message.get("traits")
    account_id = _account(message, traits if isinstance(traits, dict) else {})
    return IdentifyCall(_message_id(message), reception.source, user_id, account_id)


def _account(message: Mapping[str, Any], properties: Mapping[str, Any]) -> str | None:
    context = message.get("context")
    groups = properties.get("$groups")
    candidates = [
        context.get("groupId") if isinstance(context, dict) else None,
        message.get("groupId"),
        *(properties.get(name) for name in _ACCOUNT_PROPERTIES),
        *(groups.values() if isinstance(groups, dict) else ()),
    ]
    given = [candidate for candidate in candidates if candidate is not None]
    if not given:
        return None
    if not is_account_id(given[0]):
        raise InvalidEvent(
            "invalid_account",
            f"{str(given[0])[:80]!r} cannot be an account id: up to 128 letters, digits and "
            "._:@+- beginning with a letter or digit.",
        )
    return str(given[0])


def _message_id(message: Mapping[str, Any]) -> str:
    if not message.get("messageId"):
        raise InvalidEvent(
            "missing_id", "Set messageId, unique per event and the same when it is sent again."
        )
    return _text(message, "messageId", longest=_LONGEST_ID)


def _user(message: Mapping[str, Any], *names: str) -> str | None:
    for name in names:
        value = message.get(name)
        if isinstance(value, (str, int)) and value != "":
            return _short(str(value), name, longest=_LONGEST_ID)
    return None


def _text(message: Mapping[str, Any], name: str, *, longest: int = _LONGEST_NAME) -> str:
    value = message.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InvalidEvent(f"missing_{name}", f"{name} must be a text that is not empty.")
    return _short(value, name, longest=longest)


def _short(value: str, name: str, *, longest: int = _LONGEST_NAME) -> str:
    if len(value) > longest:
        raise InvalidEvent(f"invalid_{name}", f"{name} is longer than {longest} characters.")
    if "\x00" in value or not value.isprintable():
        raise InvalidEvent(f"invalid_{name}", f"{name} holds characters that cannot be printed.")
    return value
