"""Rows as events: the rules, and the words of refusal, of the ingest door."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any

import msgspec

from services.health.domain.usage.event import Reception, UsageEvent
from services.health.domain.usage.members import LONGEST_ID, InvalidEvent
from services.health.usecases.usage.intake import values_of
from services.health.usecases.usage.lines import read_line
from services.health.usecases.usage.reading import read_arriving
from shared.bus.packing import Value
from tenure.replaying.files import UNREADABLE_LINE, Columns, Row

COLUMNS = Columns(
    required=("account_id", "event", "timestamp"),
    optional=("id", "user_id", "count", "properties"),
)
_MOST_PER_ROW = 100_000
_NOON = time(12)
_DATE = re.compile(r"\d{4}-?\d\d-?\d\d")
_NUMBER = re.compile(r"[+-]?[\d.]+")
_WHOLE = re.compile(r"(\d+)\.0")
"""A whole number as a CSV has it out of a column with holes."""


class RowError(ValueError):
    """A row cannot become an event; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the rows of a file, which come in at one moment and are history."""

    file: str
    reception: Reception

    def values(self, row: Row, number: int) -> Iterator[Value]:
        """Return the events of a row, each encoded, by account. Raises `RowError`."""
        count = _count(row.get("count"))
        event = self._read(row, number)
        if count == 1:
            return iter(values_of([event]))
        if len(event.id) + len(f"/{count}") > LONGEST_ID:
            raise RowError(f"id is longer than {LONGEST_ID} characters, with the place in its row")
        each = (replace(event, id=f"{event.id}/{n}") for n in range(count))
        return (value for one in each for value in values_of([one]))

    def _read(self, row: Row, number: int) -> UsageEvent:
        if UNREADABLE_LINE in row:
            raise RowError("the line is no JSON object, or has more cells than the header")
        # What is an event as it stands is read as `/v1/bulk` reads it.
        is_event = "specversion" in row or ("type" in row and "account_id" not in row)
        message = row if is_event else self._cloudevent(row, number)
        raw = _encode(message)
        try:
            call = read_arriving(raw, self.reception, read_line)
        except InvalidEvent as error:
            raise RowError(error.detail) from None
        if not isinstance(call, UsageEvent):
            raise RowError("this says nothing about use; send it to /v1/bulk")
        if call.account_id is None:
            raise RowError("the event names no account; send it to /v1/bulk, which knows its users")
        return call

    def _cloudevent(self, row: Row, number: int) -> dict[str, Any]:
        moment = _moment(row.get("timestamp"))
        if moment > self.reception.received_at:
            raise RowError(f"timestamp {moment.isoformat()} is in the future")
        given = _text("id", row.get("id"))
        return {
            "specversion": "1.0",
            "id": given or self._derived_id(row, number),
            "source": self.reception.source,
            "type": _name(row.get("event")),
            "subject": _account_id(row.get("account_id")),
            "time": moment.isoformat(),
            "data": {
                "user_id": _text("user_id", row.get("user_id")),
                "properties": _properties(row.get("properties")),
            },
        }

    def _derived_id(self, row: Row, number: int) -> str:
        """Return an id for a row without one, by its file, place and content.

        The same file counts once, also when it has grown; the same row of two files counts twice.
        """
        content = {name: str(value) for name, value in sorted(row.items())}
        text = msgspec.json.encode({"file": self.file, "row": number, **content})
        return hashlib.blake2b(text, digest_size=16).hexdigest()


def _encode(message: Row) -> bytes:
    try:
        return msgspec.json.encode(message)
    except (TypeError, ValueError, RecursionError) as error:
        raise RowError(f"the row cannot be sent: {error}") from None


def _name(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise RowError(f"event {value!r} is missing or no text")
    return value


def _account_id(value: object) -> str:
    found = _text("account_id", value)
    if found is None:
        raise RowError("account_id is missing")
    return found


def _text(name: str, value: object) -> str | None:
    """Return an id as text. A column of numbers with holes comes as fractions."""
    if _is_none(value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise RowError(f"{name} {value!r} is neither a text nor a whole number")
    whole = _WHOLE.fullmatch(value) if isinstance(value, str) else None
    return whole[1] if whole else str(value)


def _is_none(value: object) -> bool:
    """Tell whether a cell is empty: NaN is how pandas writes that."""
    is_nan = isinstance(value, float) and value != value  # noqa: PLR0124 - NaN alone is not itself
    return value is None or value == "" or is_nan


def _properties(value: object) -> dict[str, Any]:
    if _is_none(value):
        return {}
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            value = None
    if not isinstance(value, dict):
        raise RowError("properties is not a JSON object")
    return value


def _moment(value: object) -> datetime:
    """Return when a row happened. A day alone is meant as that day wherever the account is."""
    found = _read_time(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _read_time(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, _NOON)
    text = value.strip() if isinstance(value, str) else ""
    try:
        if _DATE.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), _NOON)
        # Nobody knows the unit of a number, which may read like a date.
        text = "" if _NUMBER.fullmatch(text) else text.upper()
        # As BigQuery writes it: 2026-01-31 12:00:00 UTC
        return datetime.fromisoformat(text.removesuffix("UTC").strip())
    except ValueError:
        raise RowError(f"timestamp {value!r} is not like 2026-01-31T12:00:00Z") from None


def _count(value: object) -> int:
    if _is_none(value):
        return 1
    try:
        found = float(str(value))
    except ValueError:
        found = 0.5
    if isinstance(value, bool) or not found.is_integer():
        raise RowError(f"count {value!r} is not a whole number")
    if not 0 <= found <= _MOST_PER_ROW:
        raise RowError(f"count {found:.0f} is not between 0 and {_MOST_PER_ROW}")
    return int(found)
