"""Expected refusals.

A refusal is a business "no" with a name. Its class docstring is the message people read, its
kind tells each door how to say it: HTTP as problem details, events as a dead letter.
"""

import enum
import re
from collections.abc import Mapping
from typing import Any, ClassVar

_BASE = "https://tenure.io/problems/"


def type_of(code: str) -> str:
    """Return the URI that names a kind of problem."""
    return _BASE + code


class Kind(enum.Enum):
    """How a refusal is said over HTTP."""

    INVALID = 422
    MALFORMED = 400
    UNAUTHENTICATED = 401
    FORBIDDEN = 403
    NOT_FOUND = 404
    CONFLICT = 409
    PRECONDITION_FAILED = 412
    PAYLOAD_TOO_LARGE = 413
    PRECONDITION_REQUIRED = 428
    RATE_LIMITED = 429
    UNAVAILABLE = 503


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """The request was refused."""

    kind: ClassVar[Kind] = Kind.INVALID

    def __init__(self, detail: str | None = None, **context: Any) -> None:
        self.detail = detail or self.title()
        self.context: Mapping[str, Any] = context
        super().__init__(self.detail)

    @classmethod
    def title(cls) -> str:
        """Return the first line of the class docstring."""
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0]

    @classmethod
    def code(cls) -> str:
        """Return the class name in snake_case: the code that machines match on."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


class Invalid(Refusal):
    """The request is understood and cannot be accepted as it is."""

    kind = Kind.INVALID


class NotFound(Refusal):
    """There is no such thing here."""

    kind = Kind.NOT_FOUND


class Conflict(Refusal):
    """The thing is not in a state that allows this."""

    kind = Kind.CONFLICT


class Forbidden(Refusal):
    """The key used does not allow this."""

    kind = Kind.FORBIDDEN
