from functools import cache
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import REGISTRY

from shared.auth.principal import Principal
from shared.observability.tracing import current_traceparent
from shared.web.deps import Tx, authorize
from shared.web.routing import api_router
from tests.unit.shared.web.fakes import AppMaker, ClientMaker


@cache
def _router() -> APIRouter:
    router = api_router("/api/v1/notes", tags=["notes"])

    @router.get("/{note_id}")
    async def read_note(note_id: int) -> int:
        return note_id

    @router.post("")
    async def write_note() -> None:
        return None

    @router.get("/-/public")
    async def public() -> dict[str, str | None]:
        return {"traceparent": current_traceparent()}

    return router


async def test_every_answer_carries_an_id_and_security_headers(client_of: ClientMaker) -> None:
    client = client_of(_router())

    for path in ("/api/v1/notes/-/public", "/nowhere", "/livez"):
        headers = (await client.get(path)).headers
        assert headers["x-request-id"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("given", ["a b\tc", "x" * 65, ""])
async def test_a_strange_request_id_is_not_taken_over(client_of: ClientMaker, given: str) -> None:
    answer = await client_of(_router()).get(
        "/api/v1/notes/-/public", headers={"X-Request-Id": given}
    )

    assert answer.headers["x-request-id"] not in {"", given}


def _count(**labels: str) -> float:
    return REGISTRY.get_sample_value("tenure_http_request_seconds_count", labels) or 0


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/api/v1/notes/17", "/api/v1/notes/{note_id}", "200"),
        ("GET", "/nowhere/17", "none", "404"),
        ("BREW", "/api/v1/notes", "/api/v1/notes", "405"),
    ],
)
async def test_requests_are_counted_by_route_template(
    client_of: ClientMaker, method: str, path: str, route: str, status: int
) -> None:
    label = method if method == "GET" else "OTHER"
    before = _count(method=label, route=route, status=status)

    await client_of(_router()).request(method, path)

    assert _count(method=label, route=route, status=status) == before + 1


async def test_nested_prefixes_are_part_of_the_route_label(client_of: ClientMaker) -> None:
    outer = api_router("/api/v1/outer")
    inner = api_router("/inner")

    @inner.get("/{thing}")
    async def thing(thing: str) -> str:
        return thing

    outer.include_router(inner)
    route = "/api/v1/outer/inner/{thing}"
    before = _count(method="GET", route=route, status="200")

    await client_of(outer).get("/api/v1/outer/inner/5")

    assert _count(method="GET", route=route, status="200") == before + 1


async def test_a_trace_is_continued(client_of: ClientMaker) -> None:
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    answer = await client_of(_router()).get(
        "/api/v1/notes/-/public", headers={"traceparent": parent}
    )

    assert answer.json()["traceparent"].startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert answer.json()["traceparent"] != parent


async def test_a_slash_too_many_is_not_redirected(client_of: ClientMaker) -> None:
    answer = await client_of(_router()).get("/api/v1/notes/-/public/")

    assert answer.status_code == 404


def test_two_routes_cannot_share_an_operation_id(make_app: AppMaker) -> None:
    with pytest.raises(ValueError, match="two routes"):
        make_app(_router(), _router())


def test_a_stranger_must_not_take_a_database_connection(make_app: AppMaker) -> None:
    router = api_router("/api/v1/notes")

    @router.get("")
    async def read(_tx: Tx, _caller: Annotated[Principal, authorize("health:read")]) -> None: ...

    with pytest.raises(TypeError, match="before Tx"):
        make_app(router)


def test_what_would_take_a_thread_is_refused(make_app: AppMaker) -> None:
    router = api_router("/api/v1/notes")

    def wanted() -> str:
        return "all"

    @router.get("")
    async def read(_wanted: Annotated[str, Depends(wanted)]) -> None: ...

    with pytest.raises(TypeError, match="wanted async"):
        make_app(router)


def test_a_router_that_is_not_ours_is_refused(make_app: AppMaker) -> None:
    router = APIRouter()

    @router.get("/api/v1/foreign")
    async def foreign() -> None: ...

    with pytest.raises(TypeError, match="api_router"):
        make_app(router)
