import base64
from functools import cache
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter

from shared.auth.principal import Principal
from shared.kernel.errors import NotFound
from shared.web.deps import Tx, authorize
from shared.web.routing import api_router
from tests.unit.shared.web.fakes import AppMaker, ClientMaker, FakeDatabase

KEY = {"Authorization": "Bearer good"}


class NoteNotFound(NotFound):
    """There is no such note."""


@cache
def _router() -> APIRouter:
    router = api_router("/api/v1/notes")

    @router.get("")
    async def read(principal: Annotated[Principal, authorize("health:read")]) -> dict[str, str]:
        return {"name": principal.name}

    @router.put("", dependencies=[authorize("renewals:write")])
    async def replace() -> dict[str, str]:
        return {}

    @router.post("")
    async def write(tx: Tx) -> dict[str, str]:
        await tx.execute("an effect")
        return {"done": "yes"}

    @router.delete("")
    async def remove(tx: Tx) -> dict[str, str]:
        await tx.execute("an effect")
        raise NoteNotFound

    return router


async def test_the_commit_comes_before_the_response(
    client_of: ClientMaker, database: FakeDatabase
) -> None:
    answer = await client_of(_router()).post("/api/v1/notes")

    assert answer.status_code == 200
    assert database.effects == ["an effect"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OSError("connection lost"), 503, "unavailable"),
        (RuntimeError("secret detail"), 500, "internal_error"),
    ],
)
async def test_a_failed_commit_is_never_answered_with_success(
    client_of: ClientMaker, database: FakeDatabase, error: Exception, status: int, code: str
) -> None:
    database.fails_at_commit = error

    answer = await client_of(_router()).post("/api/v1/notes")

    assert answer.status_code == status
    assert answer.json()["code"] == code
    assert "secret detail" not in answer.text
    assert database.effects == []


async def test_a_refusal_rolls_back(client_of: ClientMaker, database: FakeDatabase) -> None:
    answer = await client_of(_router()).delete("/api/v1/notes")

    assert answer.status_code == 404
    assert answer.json()["code"] == "note_not_found"
    assert database.committed == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer good"},
        {"Authorization": "bearer good"},
        {"Authorization": "Basic " + base64.b64encode(b"good:").decode()},
        {"X-Api-Key": "good"},
    ],
)
async def test_a_key_may_come_as_bearer_basic_user_or_header(
    client_of: ClientMaker, headers: dict[str, str]
) -> None:
    answer = await client_of(_router(), key=None).get("/api/v1/notes", headers=headers)

    assert answer.json() == {"name": "test"}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "unauthenticated"),
        ({"Authorization": "Bearer"}, "unauthenticated"),
        ({"Authorization": "Basic %%%"}, "unauthenticated"),
        ({"Authorization": "Basic " + base64.b64encode(b"\xff\xfe:").decode()}, "unauthenticated"),
        ({"Authorization": "Bearer bad"}, "invalid_api_key"),
        ({"X-Api-Key": "bad"}, "invalid_api_key"),
    ],
)
async def test_without_a_good_key_the_answer_is_401_and_says_how(
    client_of: ClientMaker, headers: dict[str, str], code: str
) -> None:
    answer = await client_of(_router(), key=None).get("/api/v1/notes", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["code"] == code


async def test_a_missing_scope_is_named(client_of: ClientMaker) -> None:
    answer = await client_of(_router()).put("/api/v1/notes")

    assert answer.status_code == 403
    assert answer.json()["code"] == "missing_scope"
    assert answer.json()["required_scope"] == "renewals:write"


def test_a_route_cannot_ask_for_a_scope_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="unknown scope"):
        authorize("health:raed")


async def test_key_lookup_with_the_database_away_is_503(make_app: AppMaker) -> None:
    class Broken:
        async def authenticate(self, _secret: str) -> None:
            raise OSError("down")

    app = make_app(_router())
    app.state.key_ring = Broken()
    transport = httpx.ASGITransport(app)
    client = httpx.AsyncClient(transport=transport, base_url="http://test", headers=KEY)

    answer = await client.get("/api/v1/notes")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
