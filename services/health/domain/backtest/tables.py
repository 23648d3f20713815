"""Rows as people bring them: column names once, then tuples; whatever file they come from."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from math import isfinite
from typing import Any

from shared.kernel.errors import Invalid

_MOST_SHOWN = 10
_SEPARATORS = ",;\t"
_LONGEST = 200
_YES = {"1": True, "1.0": True, "true": True, "yes": True}
_YES |= {"0": False, "0.0": False, "false": False, "no": False}


class RowsInvalid(Invalid):
    """Some rows cannot be used as they are."""


@dataclass(frozen=True, slots=True)
class Table:
    """Column names and rows. ``name`` is what messages call it."""

    name: str
    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]
    total: int | None = None

    def places(self, needed: Sequence[str], optional: Sequence[str]) -> Mapping[str, int]:
        """Return where known columns are. Raises `RowsInvalid` for a needed one that is missing."""
        named = [name.strip() for name in self.columns]
        there = {name: place for place, name in enumerate(named)}
        doubled = [name for name in (*needed, *optional) if named.count(name) > 1]
        if doubled:
            raise RowsInvalid(f"{self.name}: the column {doubled[0]} is there twice; keep one")
        missing = [name for name in needed if name not in there]
        if missing:
            raise RowsInvalid(
                f"{self.name}: the column {missing[0]} is missing; it needs {', '.join(needed)} "
                f"and may have {', '.join(optional)}; found {', '.join(there) or 'none'}"
            )
        return {name: there[name] for name in (*needed, *optional) if name in there}

    def ignored(self, known: Sequence[str]) -> Sequence[str]:
        """Return the columns that nobody reads."""
        return [name for name in self.columns if name.strip() not in known]


def csv_table(name: str, lines: Iterable[str]) -> Table:
    """Return the table of a CSV text, lazily: with commas, or what else its header is full of."""
    rest = iter(lines)
    header = next(rest, "").removeprefix("\ufeff")
    reader = csv.reader(chain([header], rest), delimiter=max(_SEPARATORS, key=header.count))
    columns = next(reader, [])
    return Table(name, columns, _filled(name, reader, len(columns)))


def mapping_table(name: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the table of a list of mappings: the columns are all keys that occur."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return Table(name, columns, ([row.get(key) for key in columns] for row in rows), len(rows))


def _filled(name: str, reader: Iterator[Sequence[str]], width: int) -> Iterator[Sequence[str]]:
    """Yield rows as wide as the header. Raises `RowsInvalid` for one that is wider."""
    number = 0
    try:
        for row in reader:
            if row:
                number += 1
                if len(row) > width:
                    raise RowsInvalid(
                        f"{name}: row {number}: {len(row)} cells for {width} columns; put quotes "
                        "around what holds a separator"
                    )
                yield [*row, *[""] * (width - len(row))]
    except csv.Error as error:
        raise RowsInvalid(
            f"{name}: row {number + 1}: a quote may be open and never closed ({error})"
        ) from None


@dataclass(slots=True)
class Mistakes:
    """What is wrong with a table, row by row; the first ten are told, all are counted."""

    name: str
    count: int = 0
    shown: list[tuple[int, str]] = field(default_factory=list)

    def note(self, row: int, error: ValueError) -> None:
        """Note what is wrong with a row, counted from 1 without the header."""
        self.count += 1
        if len(self.shown) < _MOST_SHOWN:
            self.shown.append((row, f"row {row}: {error}"))

    def refuse(self) -> None:
        """Raise `RowsInvalid` if there were any."""
        if self.count:
            more = f"; and {self.count - len(self.shown)} more" if self.count > _MOST_SHOWN else ""
            words = "; ".join(said for _, said in self.shown)
            errors = [self._error(row, said) for row, said in self.shown]
            raise RowsInvalid(f"{self.name}: {words}{more}", rows=self.count, errors=errors)

    def _error(self, row: int, said: str) -> Mapping[str, str]:
        where = {"location": "body", "pointer": f"/{self.name}/{row - 1}"}
        return {**where, "code": RowsInvalid.code(), "message": said}


def text(column: str, value: Any) -> str:
    """Read a text of 1 to 200 characters; a whole number is its digits."""
    found = str(value).strip() if isinstance(value, str | int) else ""
    if not found or len(found) > _LONGEST or "\0" in found or isinstance(value, bool):
        raise ValueError(
            f"{column}: write a text of 1 to {_LONGEST} characters, not {_said(value)}"
        )
    return found


def day(column: str, value: Any) -> date:
    """Read a day: 2026-03-31, or a time, whose UTC day it is."""
    return moment(column, value).date()


def past_day(column: str, value: Any, today: date) -> date:
    """Read a day that has come: nobody knows more than a day ahead of UTC what happened."""
    found = day(column, value)
    if found > today + timedelta(days=1):
        raise ValueError(f"{column}: {found} has not come yet; leave the row out, or correct it")
    return found


def moment(column: str, value: Any) -> datetime:
    """Read a time with its zone, UTC where none is written; a day is its first instant."""
    if isinstance(value, datetime):
        found = value
    elif isinstance(value, date):
        found = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - zone follows
    else:
        try:
            found = datetime.fromisoformat(str(value).strip())
        except ValueError:
            raise ValueError(
                f"{column}: write a day such as 2026-03-31 or a time such as "
                f"2026-03-31T12:00:00Z, not {_said(value)}"
            ) from None
    if not 1970 <= found.year <= 2100:  # before its zone: the ends of the calendar have no other
        raise ValueError(f"{column}: the year must be 1970 to 2100, not {_said(value)}")
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def number(column: str, value: Any, *, low: float = -1e15, high: float = 1e15) -> float:
    """Read a finite number within bounds."""
    try:
        found = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = float("nan")
    if not (isfinite(found) and low <= found <= high):
        raise ValueError(f"{column}: write a number from {low:g} to {high:g}, not {_said(value)}")
    return found


def whole(column: str, value: Any, *, high: int = 10**12) -> int:
    """Read a whole number, at least 0."""
    found = number(column, value, low=0, high=high)
    if found != int(found):
        raise ValueError(f"{column}: write a whole number, not {_said(value)}")
    return int(found)


def claim(column: str, value: Any) -> bool:
    """Read 1, true or yes, and 0, false or no; also 1.0 and 0.0, as columns with blanks are."""
    found = _YES.get(str(value).strip().lower())
    if found is None:
        raise ValueError(f"{column}: write 1 (yes) or 0 (no), not {_said(value)}")
    return found


def is_blank(value: Any) -> bool:
    """Say whether nothing is written."""
    return value is None or value == ""


def _said(value: Any) -> str:
    return repr(value)[:80]
