import logging
from collections.abc import AsyncIterator, Iterator
from functools import cache
from io import StringIO
from typing import Annotated
from uuid import UUID

import pytest
from fastapi import APIRouter, HTTPException
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from shared.kernel.errors import Conflict, Kind, Refusal
from shared.web.routing import api_router
from tests.unit.shared.web.fakes import ClientMaker


def _refuse(_text: str) -> str:
    raise ValueError("Write it in words.")


class Plan(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    password: str = ""
    seats: dict[str, int] = {}
    note: Annotated[str, AfterValidator(_refuse)] = ""
    until: AwareDatetime | None = None
    price: Annotated[float, Field(strict=True)] | Annotated[str, AfterValidator(_refuse)] = 0.0
    words: Annotated[Annotated[str, AfterValidator(str)], Field(max_length=3)] = ""


class PlanArchived(Conflict):
    """An archived plan cannot change.

    More words that nobody needs to read.
    """


class TooBusy(Refusal):
    """Too many requests."""

    kind = Kind.RATE_LIMITED


class UnstorableError(Exception):
    class orig:  # noqa: N801 - as SQLAlchemy names it
        sqlstate = "22021"


@cache
def _router() -> APIRouter:
    router = api_router("/api/v1/plans")

    @router.post("")
    async def create(plan: Plan) -> Plan:
        return plan

    @router.get("/{plan_id}")
    async def read(plan_id: int) -> None:
        raise PlanArchived(plan_id=UUID(int=plan_id), status="no", code="no", title="no")

    @router.get("/-/busy")
    async def busy() -> None:
        raise TooBusy(retry_after=1.2)

    @router.get("/-/broken")
    async def broken() -> None:
        raise ZeroDivisionError("the password is hunter2")

    @router.get("/-/misfit")
    async def misfit() -> Plan:
        return {"password": "anna@example.com"}  # type: ignore[return-value]

    @router.get("/-/text")
    async def text() -> None:
        raise UnstorableError

    @router.get("/-/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "short and stout", headers={"X-Pot": "tea"})

    return router


async def test_a_refusal_becomes_problem_details(client_of: ClientMaker) -> None:
    answer = await client_of(_router()).get("/api/v1/plans/5", headers={"X-Request-Id": "abc"})

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status_code == 409
    assert answer.json() == {
        "type": "https://tenure.io/problems/plan_archived",
        "title": "An archived plan cannot change.",
        "status": 409,
        "detail": "An archived plan cannot change.",
        "instance": "/api/v1/plans/5",
        "code": "plan_archived",
        "message": "An archived plan cannot change.",
        "request_id": "abc",
        "plan_id": "00000000-0000-0000-0000-000000000005",
    }


async def test_being_told_to_wait_says_how_long_in_whole_seconds(client_of: ClientMaker) -> None:
    answer = await client_of(_router()).get("/api/v1/plans/-/busy")

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")


async def test_an_unexpected_error_says_nothing_but_a_request_id(client_of: ClientMaker) -> None:
    answer = await client_of(_router()).get("/api/v1/plans/-/broken")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "hunter2" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.fixture
def logged() -> Iterator[StringIO]:
    """Everything that is logged during the test."""
    handler = logging.StreamHandler(StringIO())
    logging.getLogger().addHandler(handler)
    yield handler.stream
    logging.getLogger().removeHandler(handler)


async def test_an_answer_that_does_not_fit_its_model_is_not_logged(
    client_of: ClientMaker, logged: StringIO
) -> None:
    answer = await client_of(_router()).get("/api/v1/plans/-/misfit")

    assert answer.status_code == 500
    assert "/response/name" in logged.getvalue()
    assert "anna@example.com" not in logged.getvalue()


async def test_text_that_the_database_cannot_hold_is_the_callers_mistake(
    client_of: ClientMaker,
) -> None:
    answer = await client_of(_router()).get("/api/v1/plans/-/text")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "route_not_found"),
        ("GET", "/api/v1/plans/", 404, "route_not_found"),
        ("PATCH", "/api/v1/plans", 405, "method_not_allowed"),
        ("BREW", "/api/v1/plans", 405, "method_not_allowed"),
        ("GET", "/api/v1/plans/-/teapot", 418, "http_418"),
    ],
)
async def test_what_no_route_answers_is_a_problem_too(
    client_of: ClientMaker, method: str, path: str, status: int, code: str
) -> None:
    answer = await client_of(_router()).request(method, path)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_headers_of_an_http_exception_survive(client_of: ClientMaker) -> None:
    client = client_of(_router())

    assert (await client.get("/api/v1/plans/-/teapot")).headers["x-pot"] == "tea"
    assert (await client.patch("/api/v1/plans")).headers["allow"] == "POST"


async def test_an_invalid_body_is_answered_with_pointers_and_advice_not_with_the_input(
    client_of: ClientMaker,
) -> None:
    body = {"password": ["hunter2"], "seats": {"a/b~c": "hunter2"}, "extra": "hunter2"}

    answer = await client_of(_router()).post("/api/v1/plans", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "hunter2" not in answer.text
    errors = {error["pointer"]: error for error in answer.json()["errors"]}
    assert errors["/name"] == {
        "location": "body",
        "pointer": "/name",
        "code": "missing",
        "message": "Add this field.",
    }
    assert set(errors) == {"/name", "/password", "/seats/a~1b~0c", "/extra"}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"[]",
        b"\xff",
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b'{"name": NaN}',
        b"[" * 100_000,
    ],
)
async def test_a_body_that_is_not_the_right_json_is_a_problem(
    client_of: ClientMaker, body: bytes
) -> None:
    answer = await client_of(_router()).post(
        "/api/v1/plans", content=body, headers={"content-type": "application/json"}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"name": "a", "note": "x"}, "Write it in words."),
        ([], "Send a JSON object."),
        ({"name": "a", "seats": []}, "Send a JSON object."),
    ],
)
async def test_advice_is_in_nobodys_programming_language(
    client_of: ClientMaker, body: object, message: str
) -> None:
    answer = await client_of(_router()).post("/api/v1/plans", json=body)

    assert [error["message"] for error in answer.json()["errors"]] == [message]


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        ({"name": "a", "until": "2026-03-02T12:00:00"}, "/until", "Add the time zone: Z for UTC"),
        ({"name": "a", "price": True}, "/price", "Input should be a valid number."),
        ({"name": "a", "words": "long"}, "/words", "Write at most 3 characters."),
        ({"name": "a", "seats": {"x": "many"}}, "/seats/x", "Input should be a valid integer"),
    ],
)
async def test_what_is_wrong_is_pointed_at_in_what_was_sent(
    client_of: ClientMaker, body: dict[str, object], pointer: str, words: str
) -> None:
    """Not in the types that the sender cannot see."""
    answer = await client_of(_router()).post("/api/v1/plans", json=body)

    errors = answer.json()["errors"]
    assert {error["pointer"] for error in errors} == {pointer}
    assert errors[0]["message"].startswith(words)


async def test_a_path_parameter_is_pointed_at(client_of: ClientMaker) -> None:
    answer = await client_of(_router()).get("/api/v1/plans/five")

    assert answer.json()["errors"][0]["location"] == "path"
    assert answer.json()["errors"][0]["pointer"] == "/plan_id"


async def _drip(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 65536):
        yield b" " * 65536


@pytest.mark.parametrize("sent", ["in chunks", "at once"])
async def test_a_body_over_one_mebibyte_is_refused(client_of: ClientMaker, sent: str) -> None:
    content = _drip(2 * 1024 * 1024) if sent == "in chunks" else b" " * (1024 * 1024 + 1)

    answer = await client_of(_router()).post(
        "/api/v1/plans", content=content, headers={"content-type": "application/json"}
    )

    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
