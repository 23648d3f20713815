"""From a sender's webhook to signals, as a mapping file says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.health.domain.signal.sent import IN_HEADER, SentEvent, at_path, read_time
from services.health.domain.signal.signature import Scheme
from shared.kernel.errors import Kind, Refusal
from shared.kernel.ids import is_account_id

MOST_SIGNALS = 250
"""In one webhook: some ten seconds, in one transaction."""
_LONGEST = 200


class WebhookUnreadable(Refusal):
    """The body is not the event that the mapping reads."""

    kind = Kind.MALFORMED


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of the value at a path; equal to null means that there is none."""

    path: str
    equals: object = None
    above: float | None = None
    below: float | None = None

    def holds(self, sent: SentEvent) -> bool:
        """Tell whether it holds of an event; a value that is not there meets nothing but null."""
        found = sent.at(self.path)
        if self.above is None and self.below is None:
            return type(found) is type(self.equals) and found == self.equals
        if isinstance(found, bool) or not isinstance(found, int | float):
            return False
        return (self.above is None or found > self.above) and (
            self.below is None or found < self.below
        )


@dataclass(frozen=True, slots=True)
class Meaning:
    """The signal that an event means, when its conditions hold.

    `value_at` is the path of its value; `values` are the sender's words for values and ours, one
    that is not among them is taken as it is. With `once_per` events with one value at that path
    are one signal; without, each event is its own.
    """

    signal: str
    when: tuple[Condition, ...] = ()
    value_at: str | None = None
    values: Mapping[str, float | str] = field(default_factory=dict)
    once_per: str | None = None


@dataclass(frozen=True, slots=True)
class AccountPath:
    """Where the account is: its id at a path, or with `system` the id another system gives it."""

    path: str
    system: str | None = None


@dataclass(frozen=True, slots=True)
class EventPaths:
    """Where an event's id, type and time stand; without a path, its time is when it came in.

    With `list` events are an array at that path; a body that is an array needs none.
    """

    id: str
    type: str
    time: str | None = None
    list: str | None = None


@dataclass(frozen=True, slots=True)
class SenderMapping:
    """How one sender's webhooks are checked and read."""

    name: str
    source: str
    scheme: Scheme
    event: EventPaths
    accounts: tuple[AccountPath, ...]
    events: Mapping[str, tuple[Meaning, ...]]


@dataclass(frozen=True, slots=True)
class MappedSignal:
    """A signal that an event means; `key` is what makes it one."""

    type: str
    value: float | str | None
    key: str


@dataclass(frozen=True, slots=True)
class MappedEvent:
    """What a webhook says: which event, of whom, when, and the signals it means.

    `account_id` is known at once or found by one of `externals`, which are (system, id).
    """

    id: str
    type: str
    at: datetime
    account_id: str | None
    externals: tuple[tuple[str, str], ...]
    signals: tuple[MappedSignal, ...]


def read_webhook(
    mapping: SenderMapping, body: object, headers: Mapping[str, str], now: datetime
) -> tuple[MappedEvent, ...]:
    """Read a body, which is one event or an array of them; ``headers`` by names in lower case.

    Raises `WebhookUnreadable` when one is not where it should be, or has no id, type or time. A
    time in the future is that of a clock that runs ahead: it counts as now.
    """
    found = body if mapping.event.list is None else at_path(body, mapping.event.list)
    if not isinstance(found, list):
        if mapping.event.list is not None:
            raise WebhookUnreadable(f"event.list: there is no array at {mapping.event.list}")
        return (_read(mapping, SentEvent(_object(found, "the body"), headers), now),)
    events = tuple(
        _read(mapping, SentEvent(_object(one, f"event {place}"), headers, place), now)
        for place, one in enumerate(found)
    )
    means = sum(len(event.signals) for event in events)
    if means > MOST_SIGNALS:
        raise WebhookUnreadable(f"{means} signals in one webhook; send {MOST_SIGNALS} at most")
    return events


def _object(found: object, what: str) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        raise WebhookUnreadable(f"{what} is not a JSON object")
    return found


def _read(mapping: SenderMapping, sent: SentEvent, now: datetime) -> MappedEvent:
    event_id = _event_id(mapping, sent)
    event_type = _text(sent, mapping.event.type, "event.type")
    return MappedEvent(
        id=event_id,
        type=event_type,
        at=min(now, _time(sent, mapping.event.time)) if mapping.event.time else now,
        account_id=_account(sent, mapping),
        externals=_externals(sent, mapping),
        signals=tuple(
            _signal(sent, meaning, event_id)
            for meaning in mapping.events.get(event_type, ())
            if all(condition.holds(sent) for condition in meaning.when)
        ),
    )


def _event_id(mapping: SenderMapping, sent: SentEvent) -> str:
    """Return the id of an event; one of a header is that of the whole array."""
    found = _text(sent, mapping.event.id, "event.id")
    is_shared = sent.place is not None and mapping.event.id.startswith(IN_HEADER)
    return f"{found}/{sent.place}" if is_shared else found


def _text(sent: SentEvent, path: str, what: str) -> str:
    found = _identifier(sent.at(path))
    if found is None:
        raise WebhookUnreadable(
            f"{_which(sent)}{what}: there is no text of up to {_LONGEST} signs at {path}"
        )
    return found


def _identifier(found: object) -> str | None:
    text = str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
    return text if 0 < len(text) <= _LONGEST and text.isprintable() else None


def _time(sent: SentEvent, path: str) -> datetime:
    found = sent.at(path)
    try:
        return read_time(found)
    except ValueError:
        raise WebhookUnreadable(
            f"{_which(sent)}event.time: {found!r} at {path} is neither seconds, milliseconds nor "
            "RFC 3339, since 1970"
        ) from None


def _which(sent: SentEvent) -> str:
    return "" if sent.place is None else f"event {sent.place}: "


def _account(sent: SentEvent, mapping: SenderMapping) -> str | None:
    named = (one.path for one in mapping.accounts if one.system is None)
    found = (_identifier(sent.at(path)) for path in named)
    return next((each for each in found if is_account_id(each)), None)


def _externals(sent: SentEvent, mapping: SenderMapping) -> tuple[tuple[str, str], ...]:
    named = ((one.system, _identifier(sent.at(one.path))) for one in mapping.accounts)
    return tuple((system, found) for system, found in named if system and found)


def _signal(sent: SentEvent, meaning: Meaning, event_id: str) -> MappedSignal:
    said = sent.at(meaning.value_at) if meaning.value_at else None
    value = meaning.values.get(_identifier(said) or "", said)
    once = _identifier(sent.at(meaning.once_per)) if meaning.once_per else None
    is_value = isinstance(value, int | float | str) and not isinstance(value, bool)
    return MappedSignal(
        type=meaning.signal,
        value=value if is_value else None,
        key=f"{meaning.signal}:{once or event_id}",
    )
