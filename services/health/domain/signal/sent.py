"""What a sender posts: one event or an array of them, and headers that speak of all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from services.health.domain.signal.catalogue import EARLIEST

IN_HEADER = "header:"
"""A path that begins so is the name of a header."""

_MILLISECONDS = 1e11
"""As seconds this is the year 5138, as milliseconds 1973."""
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class SentEvent:
    """An event as it is sent; `headers` by their names in lower case.

    `place` is where it stands in the array it came in, and None when it came alone.
    """

    body: Mapping[str, Any]
    headers: Mapping[str, str]
    place: int | None = None

    def at(self, path: str) -> Any:
        """Return the value at ``a.b.0.c``, ``/a/b/0/c`` or ``header:Name``; None when absent."""
        if path.startswith(IN_HEADER):
            return self.headers.get(path.removeprefix(IN_HEADER).lower())
        return at_path(self.body, path)


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


def read_time(sent: object) -> datetime:
    """Read seconds, milliseconds or RFC 3339 since 1970. Raises ValueError for anything else."""
    try:
        read = _moment(sent)
    except (OverflowError, OSError) as error:
        raise ValueError(str(error)) from None
    if read < EARLIEST:
        raise ValueError(f"{read} is before 1970")
    return read


def _moment(sent: object) -> datetime:
    if isinstance(sent, str) and sent.isascii() and sent.isdecimal():
        sent = int(sent)
    if isinstance(sent, int | float) and not isinstance(sent, bool):
        return datetime.fromtimestamp(sent / 1000 if sent >= _MILLISECONDS else sent, UTC)
    read = datetime.fromisoformat(str(sent))
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _steps(path: str) -> list[str]:
    if path.startswith("/"):
        # RFC 6901: ~1 is a slash and ~0 a tilde, in this order.
        return [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]
    return path.split(".")
