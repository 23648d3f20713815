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


@pytest.fixture
def make_app(database: FakeDatabase) -> AppMaker:
    def make(*routers: APIRouter, readiness: dict[str, Any] | None = None) -> FastAPI:
        app = build_app(
            "health",
            description="A test.",
            routers=routers,
            lifespan=_no_lifespan,
            readiness=readiness or {},
        )
        app.state.database = database
        app.state.key_ring = FakeKeyRing({"good": PRINCIPAL})
        return app

    return make


@pytest.fixture
def client_of(make_app: AppMaker) -> ClientMaker:
    def client(*routers: APIRouter, key: str | None = "good", **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(make_app(*routers, **options)),
            base_url="http://test",
            headers={"Authorization": f"Bearer {key}"} if key else {},
        )

    return client
