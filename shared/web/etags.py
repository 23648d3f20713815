"""Lost updates: ETag is the version of a row, If-Match is the version a change was made from."""

import re
from typing import Annotated

from fastapi import Depends, Header, Response

from shared.kernel.errors import Kind, Refusal

_NOT_OURS = 'If-Match is no ETag of ours; send it as it was read, in quotes, such as "3"'
_ETAG = re.compile(r'"(\d{1,18})"')


class PreconditionRequired(Refusal):
    """Send the ETag you read as If-Match, so that nobody's change is lost."""

    kind = Kind.PRECONDITION_REQUIRED


class PreconditionFailed(Refusal):
    """It has changed since you read it; read it again and repeat your change."""

    kind = Kind.PRECONDITION_FAILED


def etag(version: int) -> str:
    """Return the ETag of a row version."""
    return f'"{version}"'


def set_etag(response: Response, version: int) -> None:
    """Say which version a response shows."""
    response.headers["ETag"] = etag(version)


async def if_match(
    value: Annotated[
        str | None,
        Header(alias="If-Match", description='The ETag you read, for example `"3"`; required.'),
    ] = None,
) -> frozenset[int] | None:
    """Return the versions a change may start from; None for any (``*``).

    Raises `PreconditionRequired`. An ETag that is not ours (weak, or no version) matches nothing.
    """
    if value is None:
        raise PreconditionRequired
    if value.strip() == "*":
        return None
    matches = (_ETAG.fullmatch(part.strip()) for part in value.split(","))
    return frozenset(int(match[1]) for match in matches if match)


IfMatch = Annotated[frozenset[int] | None, Depends(if_match)]


def check_version(expected: frozenset[int] | None, version: int) -> None:
    """Raise `PreconditionFailed` unless a change may start from this version."""
    if expected is not None and version not in expected:
        raise PreconditionFailed(None if expected else _NOT_OURS, current_etag=etag(version))
