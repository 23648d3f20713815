from functools import cache

import pytest
from fastapi import APIRouter, Response

from shared.web.etags import IfMatch, check_version, set_etag
from shared.web.routing import api_router
from tests.unit.shared.web.fakes import ClientMaker


@cache
def _router(version: int) -> APIRouter:
    router = api_router("/api/v1/notes")

    @router.get("/1")
    async def read(response: Response) -> dict[str, int]:
        set_etag(response, version)
        return {"version": version}

    @router.patch("/1")
    async def change(expected: IfMatch) -> dict[str, int]:
        check_version(expected, version)
        return {"version": version + 1}

    return router


async def test_what_was_read_can_be_changed(client_of: ClientMaker) -> None:
    client = client_of(_router(3))
    read = await client.get("/api/v1/notes/1")

    changed = await client.patch("/api/v1/notes/1", headers={"If-Match": read.headers["etag"]})

    assert read.headers["etag"] == '"3"'
    assert changed.status_code == 200


@pytest.mark.parametrize("value", ["*", '"2", "3"', ' "3" '])
async def test_any_and_lists_of_versions_are_understood(client_of: ClientMaker, value: str) -> None:
    answer = await client_of(_router(3)).patch("/api/v1/notes/1", headers={"If-Match": value})

    assert answer.status_code == 200


async def test_a_change_without_if_match_is_refused(client_of: ClientMaker) -> None:
    answer = await client_of(_router(3)).patch("/api/v1/notes/1")

    assert (answer.status_code, answer.json()["code"]) == (428, "precondition_required")


@pytest.mark.parametrize("value", ['"2"', 'W/"3"', "3", "", '"' + "9" * 400 + '"', '"\u0663"'])
async def test_a_change_from_another_version_is_refused(client_of: ClientMaker, value: str) -> None:
    answer = await client_of(_router(3)).patch(
        "/api/v1/notes/1", headers={"If-Match": value.encode()}
    )

    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    assert answer.json()["current_etag"] == '"3"'
