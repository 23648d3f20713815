from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from shared.observability.logging import configure_logging
from shared.web.app import build_app
from tests.unit.shared.web.fakes import (
    PRINCIPAL,
    AppMaker,
    ClientMaker,
    FakeDatabase,
    FakeKeyRing,
)


@pytest.fixture(scope="package", autouse=True)
def _plain_logs() -> None:
    # structlog's own default draws every stack with its local variables: seconds, each time.
    configure_logging("tests")


@asynccontextmanager
async def _no_lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture
def database() -> FakeDatabase:
    return FakeDatabase()


def _build(*routers: APIRouter, readiness: dict[str, Any] | None = None) -> FastAPI:
    return build_app(
        "health",
        description="A test.",
        routers=routers,
        lifespan=_no_lifespan,
        readiness=readiness or {},
    )


_BUILT: dict[tuple[int, ...], tuple[FastAPI, tuple[APIRouter, ...]]] = {}


def _build_once(*routers: APIRouter) -> FastAPI:
    """Return the app of these very routers, which takes 10 ms to build and keeps nothing."""
    key = tuple(map(id, routers))
    if key not in _BUILT:
        _BUILT[key] = _build(*routers), routers
    return _BUILT[key][0]


@pytest.fixture
def make_app(database: FakeDatabase) -> AppMaker:
    def make(*routers: APIRouter) -> FastAPI:
        return _with_state(_build(*routers), database)

    return make


@pytest.fixture
def client_of(database: FakeDatabase) -> ClientMaker:
    def client(
        *routers: APIRouter, key: str | None = "good", readiness: dict[str, Any] | None = None
    ) -> httpx.AsyncClient:
        app = _build(*routers, readiness=readiness) if readiness else _build_once(*routers)
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(_with_state(app, database)),
            base_url="http://test",
            headers={"Authorization": f"Bearer {key}"} if key else {},
        )

    return client


def _with_state(app: FastAPI, database: FakeDatabase) -> FastAPI:
    app.state.database = database
    app.state.key_ring = FakeKeyRing({"good": PRINCIPAL})
    return app
