import asyncio
from datetime import timedelta
from functools import cache

import pytest
from fastapi import APIRouter, Depends, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from shared.kernel.errors import Conflict
from shared.web.deps import Tx
from shared.web.etags import set_etag
from shared.web.idempotency import shown_once
from shared.web.routing import api_router
from tests.unit.shared.web.fakes import ClientMaker, FakeDatabase

KEY = {"Idempotency-Key": "k-1"}


class Note(BaseModel):
    text: str


class NoteRefused(Conflict):
    """Not this note."""


@cache
def _router(gate: asyncio.Event | None = None, reached: asyncio.Event | None = None) -> APIRouter:
    router = api_router("/api/v1/notes")

    @router.post("", status_code=201)
    async def create(
        note: Note, tx: Tx, response: Response, *, dry_run: bool = False
    ) -> dict[str, str]:
        assert not dry_run
        if gate is not None and reached is not None:
            reached.set()
            await gate.wait()
        await tx.execute(note.text)
        if note.text == "bad":
            raise NoteRefused
        set_etag(response, 7)
        response.headers["Location"] = "/api/v1/notes/1"
        response.headers["X-Other"] = "not kept"
        return {"z": note.text, "a": "ü"}

    @router.post("/empty", status_code=204)
    async def nothing(tx: Tx) -> None:
        await tx.execute("empty")

    @router.post("/stream")
    async def stream(tx: Tx) -> StreamingResponse:
        await tx.execute("stream")
        return StreamingResponse(iter([b"x"]))

    @router.post("/secret", status_code=201, dependencies=[Depends(shown_once)])
    async def secret(tx: Tx, response: Response) -> dict[str, str]:
        await tx.execute("secret")
        response.headers["Location"] = "/api/v1/notes/2"
        return {"secret": "hush"}

    return router


async def test_the_same_request_twice_has_one_effect_and_one_answer(
    client_of: ClientMaker, database: FakeDatabase
) -> None:
    client = client_of(_router())

    first = await client.post("/api/v1/notes", json={"text": "hi"}, headers=KEY)
    second = await client.post("/api/v1/notes", json={"text": "hi"}, headers=KEY)

    assert database.effects == ["hi"]
    assert (second.status_code, second.content) == (201, first.content)
    assert second.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    for name in ("etag", "location", "content-type", "content-length"):
        assert second.headers[name] == first.headers[name]
    assert "x-other" not in second.headers


async def test_an_empty_answer_is_replayed_too(
    client_of: ClientMaker, database: FakeDatabase
) -> None:
    client = client_of(_router())

    answers = [await client.post("/api/v1/notes/empty", headers=KEY) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert answers[1].content == b""
    assert database.effects == ["empty"]


@pytest.mark.parametrize(
    ("path", "text"), [("/api/v1/notes", "other"), ("/api/v1/notes?dry_run=1", "hi")]
)
async def test_a_key_used_for_another_request_is_refused(
    client_of: ClientMaker, database: FakeDatabase, path: str, text: str
) -> None:
    client = client_of(_router())
    await client.post("/api/v1/notes", json={"text": "hi"}, headers=KEY)

    answer = await client.post(path, json={"text": text}, headers=KEY)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert database.effects == ["hi"]


async def test_a_second_request_while_the_first_is_worked_on_is_told_to_wait(
    client_of: ClientMaker,
) -> None:
    gate, reached = asyncio.Event(), asyncio.Event()
    client = client_of(_router(gate, reached))
    first = asyncio.create_task(client.post("/api/v1/notes", json={"text": "hi"}, headers=KEY))
    await reached.wait()

    second = await client.post("/api/v1/notes", json={"text": "hi"}, headers=KEY)
    gate.set()

    assert (second.status_code, second.json()["code"]) == (409, "idempotency_key_in_flight")
    assert second.headers["retry-after"] == "1"
    assert (await first).status_code == 201


async def test_a_refused_request_leaves_nothing_and_may_be_sent_again(
    client_of: ClientMaker, database: FakeDatabase
) -> None:
    client = client_of(_router())

    answers = [
        await client.post("/api/v1/notes", json={"text": "bad"}, headers=KEY) for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [409, 409]
    assert database.answers == {}


async def test_an_invalid_body_leaves_nothing(
    client_of: ClientMaker, database: FakeDatabase
) -> None:
    answer = await client_of(_router()).post("/api/v1/notes", json={}, headers=KEY)

    assert answer.status_code == 422
    assert database.answers == {}


async def test_a_failed_commit_stores_no_answer(
    client_of: ClientMaker, database: FakeDatabase
) -> None:
    client = client_of(_router())
    database.fails_at_commit = OSError("gone")
    lost = await client.post("/api/v1/notes", json={"text": "hi"}, headers=KEY)
    database.fails_at_commit = None

    again = await client.post("/api/v1/notes", json={"text": "hi"}, headers=KEY)

    assert (lost.status_code, again.status_code) == (503, 201)
    assert database.effects == ["hi"]


async def test_a_key_is_forgotten_after_a_day(
    client_of: ClientMaker, database: FakeDatabase
) -> None:
    client = client_of(_router())
    await client.post("/api/v1/notes", json={"text": "hi"}, headers=KEY)
    database.now += timedelta(hours=24)

    answer = await client.post("/api/v1/notes", json={"text": "hi"}, headers=KEY)

    assert "idempotency-replayed" not in answer.headers
    assert database.effects == ["hi", "hi"]


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9".encode("latin-1")])
async def test_a_strange_key_is_refused(client_of: ClientMaker, key: str | bytes) -> None:
    answer = await client_of(_router()).post(
        "/api/v1/notes", json={"text": "hi"}, headers={"Idempotency-Key": key}
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key")


async def test_a_stranger_cannot_read_the_answer_of_another(
    client_of: ClientMaker, database: FakeDatabase
) -> None:
    await client_of(_router()).post("/api/v1/notes", json={"text": "hi"}, headers=KEY)

    answer = await client_of(_router(), key=None).post(
        "/api/v1/notes", json={"text": "hi"}, headers=KEY
    )

    assert "idempotency-replayed" not in answer.headers
    assert database.effects == ["hi", "hi"]


async def test_a_streamed_answer_under_a_key_fails_loudly_and_has_no_effect(
    client_of: ClientMaker, database: FakeDatabase
) -> None:
    answer = await client_of(_router()).post("/api/v1/notes/stream", headers=KEY)

    assert answer.status_code == 500
    assert database.effects == []


async def test_an_answer_with_a_secret_is_not_kept_and_its_request_not_done_twice(
    client_of: ClientMaker, database: FakeDatabase
) -> None:
    client = client_of(_router())

    first, second = [await client.post("/api/v1/notes/secret", headers=KEY) for _ in range(2)]

    assert first.json() == {"secret": "hush"}
    assert (second.status_code, second.json()["code"]) == (409, "secret_shown_once")
    assert second.json()["location"] == "/api/v1/notes/2"
    assert database.effects == ["secret"]
    assert "hush" not in str(database.answers)


async def test_without_a_key_a_secret_is_made_each_time(
    client_of: ClientMaker, database: FakeDatabase
) -> None:
    client = client_of(_router())

    answers = [await client.post("/api/v1/notes/secret") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert database.effects == ["secret", "secret"]
