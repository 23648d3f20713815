"""The live inbox, over a real server."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn

from services.notifications.api.stream import feed_of
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tests.builders.notifications import ANA, BEN, owner_assigned, risk_opened
from tests.conftest import make_app, make_key
from tests.integration.notifications.conftest import Hear

Event = tuple[str, dict[str, Any]]


class Live:
    """The service behind a real socket, and a client of it."""

    def __init__(self, app: Any, client: httpx.AsyncClient) -> None:
        self.app = app
        self.client = client

    @property
    def watchers(self) -> int:
        return feed_of(self.app).watchers

    def stream(self, recipient: str, last_event_id: int | None = None) -> Any:
        headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
        return self.client.stream(
            "GET", "/api/v1/inbox/stream", params={"recipient": recipient}, headers=headers
        )


@pytest_asyncio.fixture
async def live(database_url: str, clock: FixedClock, database: Database) -> AsyncIterator[Live]:
    app = make_app("notifications", clock, database_url=database_url, workers=False)
    config = uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())  # noqa: SLF001 - serve() takes the signals
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    key = await make_key(database, ["notifications:read"])
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}
    ) as client:
        yield Live(app, client)
    server.should_exit = True
    await serving


async def events(response: httpx.Response, count: int) -> list[Event]:
    """Read so many events: (id, data) each."""
    found: list[Event] = []
    event_id = ""
    data: dict[str, Any] = {}
    async with asyncio.timeout(5):
        async for line in response.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                event_id = value
            elif name == "data":
                data = json.loads(value)
            elif not line and data:
                found.append((event_id, data))
                data = {}
                if len(found) == count:
                    return found
    return found


async def connected(response: httpx.Response) -> None:
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")


async def test_a_stream_brings_what_comes_after_it_was_opened(live: Live, hear: Hear) -> None:
    await hear(owner_assigned(ANA), risk_opened("before"))
    async with live.stream(ANA.email) as response:
        await connected(response)
        await until(lambda: live.watchers == 1)
        await hear(owner_assigned(ANA, account_id="after"), risk_opened("after"))
        ((_, item),) = await events(response, 1)
    assert item["account"]["id"] == "after"
    assert item["title"] == "Usage fell by half"


async def test_a_stream_is_of_one_inbox(live: Live, hear: Hear) -> None:
    await hear(owner_assigned(ANA, account_id="one"), owner_assigned(BEN, account_id="two"))
    async with live.stream(BEN.email) as response:
        await connected(response)
        await until(lambda: live.watchers == 1)
        await hear(risk_opened("one"), risk_opened("two"))
        ((_, item),) = await events(response, 1)
    assert item["account"]["id"] == "two"


async def test_a_stream_goes_on_after_the_last_event_seen(live: Live, hear: Hear) -> None:
    await hear(*(owner_assigned(ANA, account_id=f"account-{number}") for number in range(3)))
    await hear(*(risk_opened(f"account-{number}") for number in range(3)))
    async with live.stream(ANA.email, last_event_id=0) as response:
        (first_id, _), *_ = await events(response, 3)
    async with live.stream(ANA.email, last_event_id=int(first_id)) as response:
        rest = await events(response, 2)
    assert [item["account"]["id"] for _, item in rest] == ["account-1", "account-2"]


async def test_a_long_absence_is_made_up_for_completely(live: Live, hear: Hear) -> None:
    accounts = [f"account-{number:03}" for number in range(130)]
    await hear(*(owner_assigned(ANA, account_id=account) for account in accounts))
    await hear(*(risk_opened(account) for account in accounts))
    async with live.stream(ANA.email, last_event_id=0) as response:
        found = await events(response, 130)
    assert [item["account"]["id"] for _, item in found] == accounts


async def test_two_streams_of_one_inbox_get_everything_each(live: Live, hear: Hear) -> None:
    await hear(owner_assigned(ANA, account_id="one"), risk_opened("one"))
    async with live.stream(ANA.email, last_event_id=0) as one, live.stream(ANA.email) as two:
        await until(lambda: live.watchers == 2)
        await hear(owner_assigned(ANA, account_id="two"), risk_opened("two"))
        assert [item["account"]["id"] for _, item in await events(one, 2)] == ["one", "two"]
        assert [item["account"]["id"] for _, item in await events(two, 1)] == ["two"]


async def test_a_client_that_goes_away_leaves_nothing_behind(live: Live) -> None:
    async with live.stream(ANA.email) as response:
        await connected(response)
        await until(lambda: live.watchers == 1)
    await until(lambda: live.watchers == 0)


async def test_closing_ends_every_stream(live: Live) -> None:
    async with live.stream(ANA.email) as response:
        await connected(response)
        await until(lambda: live.watchers == 1)
        feed_of(live.app).close()
        assert await events(response, 1) == []


@pytest.mark.parametrize("last_event_id", ["x", "-1", "99999999999999999999"])
async def test_a_last_event_id_that_is_not_ours_is_refused(live: Live, last_event_id: str) -> None:
    answer = await live.client.get(
        "/api/v1/inbox/stream",
        params={"recipient": ANA.email},
        headers={"Last-Event-ID": last_event_id},
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 - what is waited for has no event to tell
            await asyncio.sleep(0.01)
