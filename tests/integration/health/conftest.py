"""Health, and a person who may read and write there."""

import httpx
import pytest

from shared.db.transaction import Database
from tests.conftest import OpenClient, OpenDatabase


@pytest.fixture
async def csm(open_client: OpenClient) -> httpx.AsyncClient:
    return await open_client("health", scopes=["health:read", "health:write"])


@pytest.fixture
async def health(open_database: OpenDatabase) -> Database:
    return await open_database("health")
