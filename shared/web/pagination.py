"""Pages by keyset: a cursor holds the sort key of the last row seen, and is opaque outside."""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field

from shared.kernel.errors import Kind, Refusal

_Item = TypeVar("_Item")
_Row = TypeVar("_Row")
_PAGE = frozenset({"limit", "cursor"})
_LIST = "~"
"""The member of a cursor that names its list; no sort key is called that."""

_LARGEST_BIGINT = 2**63 - 1


class InvalidCursor(Refusal):
    """The cursor is not one of this list with these filters; start without one."""

    kind = Kind.MALFORMED


class Page(BaseModel, Generic[_Item]):
    """One page of a list."""

    data: list[_Item]
    next_cursor: str | None = Field(description="Send it as `cursor` to get the next page.")
    has_more: bool


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page is asked for, and of what: a cursor continues its own list and no other."""

    limit: int
    cursor: str | None
    list_id: str = ""

    @property
    def fetch(self) -> int:
        """Return how many rows to fetch: one more than a page shows, to know if more follow."""
        return self.limit + 1

    def after(self, **types: Any) -> dict[str, Any] | None:
        """Return the sort key to continue after, None for the first page.

        ``paging.after(created_at=datetime, id=UUID)``. Raises `InvalidCursor`.
        """
        return None if self.cursor is None else decode_cursor(self.cursor, types, self.list_id)

    def cursor_of(self, key: Mapping[str, Any]) -> str:
        """Return the cursor of a row's sort key."""
        return encode_cursor(key, self.list_id)

    def page(
        self,
        rows: Sequence[_Row],
        *,
        item: Callable[[_Row], _Item],
        key: Callable[[_Row], Mapping[str, Any]],
    ) -> Page[_Item]:
        """Return a page of up to `fetch` rows; ``key`` names the sort key as `after` does."""
        shown, has_more = rows[: self.limit], len(rows) > self.limit
        cursor = self.cursor_of(key(shown[-1])) if has_more else None
        return Page(data=[item(row) for row in shown], next_cursor=cursor, has_more=has_more)


async def paging(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=200, description="Rows per page.")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=1000, description="`next_cursor` of the page before.")
    ] = None,
) -> Paging:
    """Return the page a request asks for."""
    return Paging(limit, cursor, _list_id(request))


def _list_id(request: Request) -> str:
    """Return what tells one list from another: its path, and its filters and order."""
    asked = sorted(pair for pair in request.query_params.multi_items() if pair[0] not in _PAGE)
    told = msgspec.json.encode([request.url.path, asked])
    return hashlib.blake2s(told, digest_size=6).hexdigest()


PageQuery = Annotated[Paging, Depends(paging)]


def encode_cursor(key: Mapping[str, Any], list_id: str = "") -> str:
    """Return a sort key as a cursor of a list."""
    return (
        base64.urlsafe_b64encode(msgspec.json.encode({**key, _LIST: list_id})).decode().rstrip("=")
    )


def decode_cursor(cursor: str, types: Mapping[str, Any], list_id: str = "") -> dict[str, Any]:
    """Return the sort key of a list's cursor, each value of its type; raise `InvalidCursor`."""
    try:
        # Padding is not sent; two surplus signs are always enough and never too many.
        raw = msgspec.json.decode(base64.b64decode(cursor + "==", altchars=b"-_"), type=dict)
        is_ours = raw.pop(_LIST) == list_id
        key = {name: msgspec.convert(raw[name], kind, strict=False) for name, kind in types.items()}
    except (binascii.Error, ValueError, KeyError) as error:
        raise InvalidCursor from error
    if (
        not is_ours
        or raw.keys() != types.keys()
        or not all(_is_storable(value) for value in key.values())
    ):
        raise InvalidCursor
    return key


def _is_storable(value: Any) -> bool:
    # A forged cursor must be refused here, not by a failing query.
    if isinstance(value, str):
        return "\0" not in value
    if isinstance(value, datetime):
        return value.tzinfo is not None and 1 < value.year < 9999
    return not isinstance(value, int) or abs(value) <= _LARGEST_BIGINT
