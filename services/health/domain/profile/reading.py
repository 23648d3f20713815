"""Reading a nested mapping so that every mistake names its path and what to do about it."""

import re
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ParamSpec, TypeGuard, TypeVar, cast

from shared.kernel.errors import Invalid, Refusal

Read = TypeVar("Read")
Written = ParamSpec("Written")
Refused = TypeVar("Refused", bound=Refusal)


@dataclass(frozen=True, slots=True)
class Place:
    """A line and a column of a text, both counted from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


class ProfileInvalid(Invalid):
    """The health profile cannot be used as written."""

    def __init__(self, detail: str, *, path: str | None = None, place: Place | None = None) -> None:
        """Name the mistake; its path is what stands before the first colon unless it is given."""
        before, colon, _ = detail.partition(": ")
        self.path = path if path is not None else before if colon else ""
        self.mistakes: Sequence[ProfileInvalid] = (self,)
        self._said = detail
        at = {"line": place.line, "column": place.column} if place else {}
        error = {
            "location": "body",
            "pointer": pointer(self.path),
            "code": self.code(),
            "message": detail,
        }
        super().__init__(
            f"{place}: {detail}" if place else detail,
            path=self.path,
            **at,
            errors=[{**error, **at}],
        )

    @classmethod
    def of(cls, mistakes: Sequence["ProfileInvalid"]) -> "ProfileInvalid":
        """Return one refusal that tells all mistakes, a line each; its path is the first one's."""
        refusal = copy(mistakes[0])
        if len(mistakes) > 1:
            lines = "\n".join(one.detail for one in mistakes)
            refusal.detail = f"{len(mistakes)} mistakes:\n{lines}"
            errors = [error for one in mistakes for error in one.context["errors"]]
            refusal.context = {**refusal.context, "errors": errors}
            refusal.mistakes = tuple(mistakes)
        return refusal

    def placed(self, find: Callable[[str], Place | None]) -> "ProfileInvalid":
        """Return the same mistakes with their places in the text, in its order."""
        placed = [
            ProfileInvalid(one._said, path=one.path, place=find(one.path))  # noqa: SLF001 - its own kind
            for one in self.mistakes
        ]
        return ProfileInvalid.of(sorted(placed, key=_by_place))


def _by_place(mistake: ProfileInvalid) -> tuple[int, int]:
    return mistake.context.get("line", 0), mistake.context.get("column", 0)


class Mistakes:
    """Reads on after a mistake, so that all are told at once."""

    def __init__(self) -> None:
        self._found: list[ProfileInvalid] = []

    def read(
        self, reader: Callable[Written, Read], *args: Written.args, **named: Written.kwargs
    ) -> Read:
        """Return what a reader reads. After a mistake it is nothing to use: `check` comes first."""
        try:
            return reader(*args, **named)
        except ProfileInvalid as error:
            self._found += error.mistakes
            return cast("Read", None)

    def check(self) -> None:
        """Raise ProfileInvalid when there were mistakes."""
        if self._found:
            raise ProfileInvalid.of(self._found)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """What a file says, and how to find the place of a path in its text.

    ``is_shipped``: it comes with health, and a file of the company's own may replace what it says.
    """

    file: str
    values: Mapping[str, Any]
    find: Callable[[str], Place | None]
    is_shipped: bool = False

    def refusal(self, kind: type[Refused], error: ProfileInvalid) -> Refused:
        """Return the mistakes in it as a refusal: a line each, with file and place."""
        return refusal_of(kind, self.file, error.placed(self.find))


def refusal_of(kind: type[Refused], file: str, error: ProfileInvalid) -> Refused:
    """Return the mistakes of a file as a refusal, a line each; ``errors`` has them for machines."""
    lines = "\n".join(f"{file}: {one.detail}" for one in error.mistakes)
    errors = [{**each, "location": file} for each in error.context["errors"]]
    return kind(lines, errors=[{**each, "code": kind.code()} for each in errors])


def pointer(path: str) -> str:
    """Return a path as a JSON pointer: ``metrics.x.events[0]`` is ``/metrics/x/events/0``."""
    parts = re.sub(r"\[(\d+)\]", r".\1", path).split(".") if path else []
    return "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in parts)


_NAME = re.compile(r"[a-z][a-z0-9_-]{0,59}")


def check_name(path: str, name: str) -> str:
    """Return a name that can be part of a URL. Raises ProfileInvalid."""
    if not _NAME.fullmatch(name):
        raise ProfileInvalid(
            f"{path}: write a name of up to 60 lower-case letters, digits, _ and -, not {name!r}"
        )
    return name


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping and the path to it. Readers raise ProfileInvalid."""

    path: str
    values: Mapping[str, Any]

    @classmethod
    def of(cls, path: str, value: object) -> "Section":
        """Wrap a value that must be a mapping with names as keys."""
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise ProfileInvalid(f"{path}: write a mapping of names to values, not {value!r}")
        return cls(path, value)

    def only(self, *known: str) -> "Section":
        """Refuse keys that nobody reads: a misspelt setting must not be ignored silently."""
        for key in self.values:
            if key not in known:
                raise ProfileInvalid(
                    f"{self.at(key)}: unknown; remove it or use one of {', '.join(sorted(known))}"
                )
        return self

    def at(self, key: str) -> str:
        """Return the path of a key."""
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        """Say whether the key is written."""
        return key in self.values

    def section(self, key: str) -> "Section":
        """Read a mapping; an absent one is empty."""
        return Section.of(self.at(key), self.values.get(key, {}))

    def each(self, reader: Callable[[str, "Section"], Read]) -> tuple[Read, ...]:
        """Read every value as a mapping, by its name."""
        mistakes = Mistakes()
        read = tuple(
            mistakes.read(lambda key: reader(key, self.section(key)), key) for key in self.values
        )
        mistakes.check()
        return read

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        """Read a number between low and high, both allowed."""
        value = self.values.get(key, default)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not low <= value <= high
        ):
            raise ProfileInvalid(
                f"{self.at(key)}: write a number from {low:g} to {high:g}, not {value!r}"
            )
        return float(value)

    def whole(self, key: str, low: int, default: int | None = None, high: int | None = None) -> int:
        """Read a whole number, at least low and at most high."""
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise ProfileInvalid(
                f"{self.at(key)}: write a whole number of at least {low}, not {value!r}"
            )
        if high is not None and value > high:
            raise ProfileInvalid(f"{self.at(key)}: write at most {high}, not {value!r}")
        return value

    def choice(self, key: str, choices: type[StrEnum], default: str | None = None) -> str:
        """Read one of the named values."""
        value = self.text(key, default)
        if value not in {choice.value for choice in choices}:
            listed = ", ".join(choice.value for choice in choices)
            raise ProfileInvalid(f"{self.at(key)}: write one of {listed}, not {value!r}")
        return value

    def flag(self, key: str) -> bool:
        """Read true or false; an absent one is false."""
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise ProfileInvalid(f"{self.at(key)}: write true or false, not {value!r}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """Read a text that is not empty."""
        value = self.values.get(key, default)
        if not _is_text(value):
            raise ProfileInvalid(f"{self.at(key)}: write a text, not {value!r}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Read a list of texts; an absent one is empty."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(_is_text(item) for item in value):
            raise ProfileInvalid(f"{self.at(key)}: write a list of names, not {value!r}")
        return tuple(value)


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip())
