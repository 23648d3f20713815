from functools import cache
from typing import Annotated

import pytest
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from shared.web.pagination import PageQuery
from shared.web.routing import ForeignRoute, api_router
from tests.unit.shared.web.fakes import ClientMaker


class Filters(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    segment: list[str] = []
    at_least: int | None = Field(default=None, alias="min")


@cache
def _routers() -> tuple[APIRouter, APIRouter]:
    ours, theirs = api_router("/api/v1/plans"), api_router("/hooks", route_class=ForeignRoute)

    @ours.get("")
    async def listed(
        paging: PageQuery, filters: Annotated[Filters, Query()], sort: str = "name"
    ) -> list[str]:
        return [sort, str(paging.limit), *filters.segment]

    @ours.post("")
    async def made() -> str:
        return "made"

    @theirs.post("")
    async def heard() -> str:
        return "heard"

    return ours, theirs


async def test_what_a_route_and_its_dependencies_read_is_known(client_of: ClientMaker) -> None:
    query = "sort=age&limit=7&segment=smb&segment=enterprise&min=3"
    answer = await client_of(*_routers()).get(f"/api/v1/plans?{query}")
    assert answer.json() == ["age", "7", "smb", "enterprise"]


@pytest.mark.parametrize(
    ("query", "pointer", "code", "message"),
    [
        ("limt=5", "/limt", "unknown_parameter", "Did you mean limit? This route knows cursor, "),
        ("qqqq=5", "/qqqq", "unknown_parameter", "Remove this parameter. This route knows cursor"),
        ("Limit=5", "/Limit", "unknown_parameter", "Did you mean limit?"),
        ("sort=", None, None, None),
        ("=5", "/", "unknown_parameter", "Remove this parameter."),
        ("a%2Fb=5", "/a~1b", "unknown_parameter", "Remove this parameter."),
        ("limit=1&limit=2", "/limit", "repeated_parameter", "Send this parameter once."),
    ],
)
async def test_what_nobody_reads_is_refused_by_name(
    client_of: ClientMaker,
    query: str,
    pointer: str | None,
    code: str | None,
    message: str | None,
) -> None:
    answer = await client_of(*_routers()).get(f"/api/v1/plans?{query}")
    if pointer is None or message is None:
        assert answer.status_code == 200
        return
    found = answer.json()
    assert (answer.status_code, found["code"]) == (422, "invalid_request")
    [error] = found["errors"]
    assert (error["location"], error["pointer"], error["code"]) == ("query", pointer, code)
    assert error["message"].startswith(message)


async def test_a_route_without_parameters_says_so(client_of: ClientMaker) -> None:
    answer = await client_of(*_routers()).post("/api/v1/plans?dry_run=1")
    assert answer.json()["errors"][0]["message"] == "Remove this parameter; this route takes none."


async def test_every_wrong_name_is_told_and_not_without_end(client_of: ClientMaker) -> None:
    wrong = "&".join(f"n{number}=1" for number in range(300))
    answer = await client_of(*_routers()).get(f"/api/v1/plans?{wrong}")
    assert len(answer.json()["errors"]) == 20


async def test_foreign_callers_and_probes_may_bring_their_own(client_of: ClientMaker) -> None:
    client = client_of(*_routers())
    assert (await client.post("/hooks?utm=1&_=2")).status_code == 200
    assert (await client.get("/livez?_=1")).status_code == 200
