"""From a sender's webhook to signals, as a mapping file says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from services.health.domain.signal.catalogue import EARLIEST
from services.health.domain.signal.signature import Scheme
from shared.kernel.errors import Kind, Refusal
from shared.kernel.ids import is_account_id

_LONGEST = 200
_MILLISECONDS = 1e11
"""As seconds this is the year 5138, as milliseconds 1973."""
_ABSENT = object()


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

    def holds(self, body: Mapping[str, Any]) -> bool:
        """Tell whether it holds of a body; a value that is not there meets nothing but null."""
        found = at_path(body, self.path)
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
class SenderMapping:
    """How one sender's webhooks are checked and read."""

    name: str
    source: str
    scheme: Scheme
    id_at: str
    type_at: str
    time_at: str | None
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


def read_webhook(mapping: SenderMapping, body: object, now: datetime) -> MappedEvent:
    """Read a body. Raises `WebhookUnreadable` when its id, type or time is not where it should be.

    A time in the future is that of a clock that runs ahead: it counts as now.
    """
    if not isinstance(body, Mapping):
        raise WebhookUnreadable("the body is not a JSON object")
    event_id = _text(body, mapping.id_at, "event.id")
    event_type = _text(body, mapping.type_at, "event.type")
    return MappedEvent(
        id=event_id,
        type=event_type,
        at=min(now, _time(body, mapping.time_at)) if mapping.time_at else now,
        account_id=_account(body, mapping),
        externals=_externals(body, mapping),
        signals=tuple(
            _signal(body, meaning, event_id)
            for meaning in mapping.events.get(event_type, ())
            if all(condition.holds(body) for condition in meaning.when)
        ),
    )


def at_path(body: object, path: str) -> Any:
    """Return the value at ``a.b.0.c``, or at the JSON pointer ``/a/b/0/c``; None when absent."""
    for step in _steps(path):
        if isinstance(body, Mapping):
            body = body.get(step, _ABSENT)
        elif isinstance(body, Sequence) and not isinstance(body, str) and step.isdecimal():
            body = body[int(step)] if int(step) < len(body) else _ABSENT
        else:
            return None
        if body is _ABSENT:
            return None
    return body


def _steps(path: str) -> list[str]:
    if path.startswith("/"):
        # RFC 6901: ~1 is a slash and ~0 a tilde, in this order.
        return [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]
    return path.split(".")


def _text(body: Mapping[str, Any], path: str, what: str) -> str:
    found = _identifier(at_path(body, path))
    if found is None:
        raise WebhookUnreadable(f"{what}: there is no text of up to {_LONGEST} signs at {path}")
    return found


def _identifier(found: object) -> str | None:
    text = str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
    return text if 0 < len(text) <= _LONGEST and text.isprintable() else None


def _time(body: Mapping[str, Any], path: str) -> datetime:
    found = at_path(body, path)
    try:
        return _moment(found)
    except (ValueError, OverflowError, OSError):
        raise WebhookUnreadable(
            f"event.time: {found!r} at {path} is neither seconds, milliseconds nor RFC 3339, "
            "since 1970"
        ) from None


def _moment(found: object) -> datetime:
    """Read seconds, milliseconds or RFC 3339 since 1970.

    Raises ValueError, OverflowError and OSError.
    """
    if isinstance(found, str) and found.isascii() and found.isdecimal():
        found = int(found)
    if isinstance(found, int | float) and not isinstance(found, bool):
        read = datetime.fromtimestamp(found / 1000 if found >= _MILLISECONDS else found, UTC)
    else:
        read = datetime.fromisoformat(str(found))
        read = read if read.tzinfo else read.replace(tzinfo=UTC)
    if read < EARLIEST:
        raise ValueError(read)
    return read


def _account(body: Mapping[str, Any], mapping: SenderMapping) -> str | None:
    named = (one.path for one in mapping.accounts if one.system is None)
    found = (_identifier(at_path(body, path)) for path in named)
    return next((each for each in found if is_account_id(each)), None)


def _externals(body: Mapping[str, Any], mapping: SenderMapping) -> tuple[tuple[str, str], ...]:
    named = ((one.system, _identifier(at_path(body, one.path))) for one in mapping.accounts)
    return tuple((system, found) for system, found in named if system and found)


def _signal(body: Mapping[str, Any], meaning: Meaning, event_id: str) -> MappedSignal:
    sent = at_path(body, meaning.value_at) if meaning.value_at else None
    value = meaning.values.get(_identifier(sent) or "", sent)
    once = _identifier(at_path(body, meaning.once_per)) if meaning.once_per else None
    is_value = isinstance(value, int | float | str) and not isinstance(value, bool)
    return MappedSignal(
        type=meaning.signal,
        value=value if is_value else None,
        key=f"{meaning.signal}:{once or event_id}",
    )
