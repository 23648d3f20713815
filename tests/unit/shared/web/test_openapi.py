from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from shared.auth.principal import Principal
from shared.kernel.errors import Conflict, NotFound
from shared.web.deps import Tx, authorize
from shared.web.etags import IfMatch
from shared.web.idempotency import shown_once
from shared.web.openapi import responses
from shared.web.routing import api_router
from tests.unit.shared.web.fakes import AppMaker


class NoteNotFound(NotFound):
    """There is no such note."""


class NoteLocked(Conflict):
    """The note is locked."""


class Note(BaseModel):
    text: str


def _router() -> APIRouter:
    router = api_router("/api/v1/notes", tags=["notes"])

    @router.get("/{note_id}", responses=responses(NoteNotFound))
    async def read_note(
        note_id: int, _principal: Annotated[Principal, authorize("health:read")], tx: Tx
    ) -> Note:
        return Note(text=f"{note_id} {tx.service}")

    @router.post("", responses=responses(NoteLocked))
    async def write_note(
        note: Note, _principal: Annotated[Principal, authorize("health:write")], _tx: Tx
    ) -> Note:
        return note

    @router.patch("/{note_id}")
    async def change_note(note_id: int, _expected: IfMatch) -> Note:
        return Note(text=str(note_id))

    @router.get("/-/public")
    async def public() -> dict[str, str]:
        return {}

    return router


def test_operation_ids_are_the_service_and_the_function(make_app: AppMaker) -> None:
    paths = make_app(_router()).openapi()["paths"]

    assert paths["/api/v1/notes/{note_id}"]["get"]["operationId"] == "health_read_note"
    assert "/livez" not in paths


def test_the_document_lists_the_problems_of_each_route(make_app: AppMaker) -> None:
    document = make_app(_router()).openapi()
    write = document["paths"]["/api/v1/notes"]["post"]
    read = document["paths"]["/api/v1/notes/{note_id}"]["get"]

    assert set(write["responses"]) == {
        *("200", "400", "401", "403", "409", "422", "503", "default")
    }
    assert set(read["responses"]) == {"200", "401", "403", "404", "422", "503", "default"}
    conflict = write["responses"]["409"]["content"]["application/problem+json"]
    assert set(conflict["examples"]) == {"note_locked", "idempotency_key_in_flight"}
    assert conflict["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert {"Problem", "FieldError", "Note"} <= set(document["components"]["schemas"])
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_the_document_says_where_an_idempotency_key_and_a_scope_belong(make_app: AppMaker) -> None:
    paths = make_app(_router()).openapi()["paths"]
    write, read = paths["/api/v1/notes"]["post"], paths["/api/v1/notes/{note_id}"]["get"]

    assert [each["name"] for each in write["parameters"]] == ["Idempotency-Key"]
    assert [each["name"] for each in read["parameters"]] == ["note_id"]
    assert read["security"] == [{"bearer": ["health:read"]}, {"api_key": ["health:read"]}]
    assert "security" not in paths["/api/v1/notes/-/public"]["get"]
    assert paths["/api/v1/notes/{note_id}"]["patch"]["parameters"][1]["name"] == "If-Match"


def test_the_document_is_made_once_and_stays_the_same(make_app: AppMaker) -> None:
    app = make_app(_router())

    assert app.openapi() == app.openapi() == make_app(_router()).openapi()


def test_the_document_says_which_answers_are_shown_once(make_app: AppMaker) -> None:
    router = api_router("/api/v1/keys")

    @router.post("", dependencies=[authorize("health:write"), Depends(shown_once)])
    async def create(tx: Tx) -> None:
        pass

    conflict = make_app(router).openapi()["paths"]["/api/v1/keys"]["post"]["responses"]["409"]
    examples = conflict["content"]["application/problem+json"]["examples"]
    assert set(examples) == {"idempotency_key_in_flight", "secret_shown_once"}
