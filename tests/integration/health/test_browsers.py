"""Pages of other origins send events with their browsers, and reach nothing else."""

import base64

import httpx
import pytest
from pydantic import ValidationError

from services.health.settings import Settings
from tests.conftest import OpenClient

APP = "https://app.example"
ASKS = {
    "origin": APP,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
}


@pytest.fixture
async def page(open_client: OpenClient) -> httpx.AsyncClient:
    return await open_client("health", ["usage:write"], ingest_origins=f" {APP} ,")


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch", "/e/", "/i/v0/e/", "/flags/"])
async def test_a_browser_asks_and_may_send(page: httpx.AsyncClient, path: str) -> None:
    asked = await page.options(path, headers=ASKS)
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, APP)
    assert "authorization" in asked.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in asked.headers


async def test_an_answer_can_be_read_by_the_page_a_refusal_too(page: httpx.AsyncClient) -> None:
    good = {"type": "track", "event": "seen", "messageId": "1", "userId": "u", "groupId": "acme"}
    for body, status in (({"batch": [good]}, 200), ([], 400)):
        answer = await page.post("/v1/batch", json=body, headers={"origin": APP})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, APP)
    stranger = {"origin": APP, "authorization": f"Basic {base64.b64encode(b'no:').decode()}"}
    refused = await page.post("/v1/batch", json={"batch": []}, headers=stranger)
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, APP)


async def test_other_origins_and_other_routes_stay_closed(page: httpx.AsyncClient) -> None:
    other = await page.options("/v1/track", headers={**ASKS, "origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers
    for path in ("/api/v1/accounts", "/metrics", "/openapi.json"):
        read = await page.get(path, headers={"origin": APP})
        assert "access-control-allow-origin" not in read.headers
        assert "access-control-allow-origin" not in (await page.options(path, headers=ASKS)).headers


async def test_without_the_setting_no_origin_is_let_in(open_client: OpenClient) -> None:
    closed = await open_client("health", ["usage:write"])
    answer = await closed.options("/v1/track", headers=ASKS)
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("written", ["app.example", "https://app.example/", "https://a.b/c, *"])
def test_what_is_no_origin_is_refused_at_the_start(written: str) -> None:
    with pytest.raises(ValidationError, match="write origins such as"):
        Settings(ingest_origins=written)
