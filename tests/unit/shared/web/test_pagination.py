import base64
import json
from datetime import UTC, datetime
from functools import cache
from uuid import UUID

import pytest
from fastapi import APIRouter

from shared.web.pagination import (
    InvalidCursor,
    Page,
    PageQuery,
    Paging,
    decode_cursor,
    encode_cursor,
)
from shared.web.routing import api_router
from tests.unit.shared.web.fakes import ClientMaker

ROWS = [(score, f"account-{n}") for n, score in enumerate(sorted([5, 5, 1, 9, 7, 3, 3]))]


@cache
def _router() -> APIRouter:
    router = api_router("/api/v1/accounts")

    @router.get("")
    async def accounts(paging: PageQuery, segment: str = "") -> Page[str]:
        assert segment in {"", "smb", "enterprise"}
        after = paging.after(score=int, account_id=str)
        left = [row for row in ROWS if after is None or row > tuple(after.values())]
        return paging.page(
            left[: paging.fetch],
            item=lambda row: row[1],
            key=lambda row: {"score": row[0], "account_id": row[1]},
        )

    return router


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
async def test_pages_together_are_the_list(client_of: ClientMaker, limit: int | str) -> None:
    client, seen, cursor = client_of(_router()), [], None
    while True:
        params = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/api/v1/accounts", params=params)).json()
        seen += page["data"]
        cursor = page["next_cursor"]
        assert page["has_more"] == (cursor is not None)
        if cursor is None:
            break

    assert seen == [account for _, account in ROWS]


async def test_an_empty_list_is_a_page() -> None:
    page = Paging(10, None).page([], item=str, key=dict)

    assert page == Page[str](data=[], next_cursor=None, has_more=False)


@pytest.mark.parametrize("limit", [0, 201, "many"])
async def test_a_page_has_1_to_200_rows(client_of: ClientMaker, limit: int | str) -> None:
    answer = await client_of(_router()).get("/api/v1/accounts", params={"limit": limit})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/limit"


def test_a_cursor_keeps_its_types() -> None:
    key = {"at": datetime(2026, 1, 2, 3, 4, 5, 678901, UTC), "id": UUID(int=9), "n": -3, "s": "ü"}

    assert (
        decode_cursor(encode_cursor(key), {"at": datetime, "id": UUID, "n": int, "s": str}) == key
    )


def test_a_cursor_belongs_to_its_list() -> None:
    cursor = encode_cursor({"n": 1}, "accounts")
    assert decode_cursor(cursor, {"n": int}, "accounts") == {"n": 1}
    with pytest.raises(InvalidCursor):
        decode_cursor(cursor, {"n": int}, "risks")


async def test_a_cursor_does_not_go_on_with_other_filters(client_of: ClientMaker) -> None:
    client = client_of(_router())
    first = await client.get("/api/v1/accounts", params={"limit": 2, "segment": "smb"})
    cursor = first.json()["next_cursor"]
    same = {"limit": 3, "segment": "smb", "cursor": cursor}
    assert (await client.get("/api/v1/accounts", params=same)).status_code == 200
    for other in ({"cursor": cursor}, {"cursor": cursor, "segment": "enterprise"}):
        answer = await client.get("/api/v1/accounts", params=other)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


def _cursor(value: object) -> str:
    if isinstance(value, dict):
        value = {"~": "", **value}
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "%%%",
        "ü",
        "AAAA",
        _cursor(5),
        _cursor({}),
        _cursor({"score": "x", "account_id": "a"}),
        _cursor({"score": None, "account_id": "a"}),
        _cursor({"score": 1, "account_id": "a", "more": 1}),
        _cursor({"score": 2**70, "account_id": "a"}),
        _cursor({"score": 1, "account_id": "a\0"}),
        _cursor({"score": 1, "account_id": "\ud800"}),
    ],
)
async def test_a_forged_cursor_is_refused(client_of: ClientMaker, cursor: str) -> None:
    answer = await client_of(_router()).get("/api/v1/accounts", params={"cursor": cursor})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize(
    "moment",
    ["2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "soon"],
)
def test_a_cursor_with_a_moment_that_no_query_takes_is_refused(moment: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(_cursor({"at": moment}), {"at": datetime})
