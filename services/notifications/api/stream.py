"""The live inbox: server-sent events.

One query serves every stream of the process. It runs when this process committed something, and
every 200 ms for what other replicas did.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import FastAPI, Header, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from services.notifications.api.inbox import InboxItem, RecipientQuery
from services.notifications.domain.person import InvalidEmail
from services.notifications.storage import inbox as storage
from services.notifications.storage.inbox import Item
from shared.db.errors import is_unavailable
from shared.db.transaction import Database
from shared.observability.logging import get_logger
from shared.web.deps import authorize, identify
from shared.web.openapi import responses
from shared.web.routing import api_router

router = api_router("/api/v1/inbox", tags=["inbox"])
log = get_logger(__name__)

_POLL_SECONDS = 0.2
_RETRY_MILLISECONDS = 2000
_PAGE = 100
_LARGEST_SEQ = 2**63 - 1


@dataclass(eq=False)
class _Watcher:
    recipient: str
    seen: int
    found: asyncio.Queue[Sequence[Item] | None] = field(
        default_factory=lambda: asyncio.Queue(maxsize=1)
    )

    @property
    def has_room(self) -> bool:
        return not self.found.full()


class InboxFeed:
    """Brings new inbox items to the streams that wait for them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watchers: set[_Watcher] = set()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False
        database.after_emit(self._news.set)

    @property
    def watchers(self) -> int:
        """How many streams are open."""
        return len(self._watchers)

    async def items(self, recipient: str, after: int) -> AsyncIterator[Item]:
        """Yield what comes to an inbox after an item, for as long as it is listened to."""
        async with self._watching(_Watcher(recipient, after)) as watcher:
            while not self._is_closed:
                page = await watcher.found.get()
                if page is None:
                    return
                for item in page:
                    yield item
                # Room again: there may be more than a page.
                self._news.set()

    def close(self) -> None:
        """End every stream; their clients come back, to another process."""
        self._is_closed = True
        self._end_streams()

    def _end_streams(self) -> None:
        for watcher in self._watchers:
            while not watcher.found.empty():
                watcher.found.get_nowait()
            watcher.found.put_nowait(None)

    @asynccontextmanager
    async def _watching(self, watcher: _Watcher) -> AsyncIterator[_Watcher]:
        self._watchers.add(watcher)
        self._news.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="inbox_feed")
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            if not self._watchers and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _run(self) -> None:
        while True:
            # Not wait_for: in Python 3.11 it can swallow a cancellation.
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._news.wait()
            self._news.clear()
            try:
                await self._look()
            except Exception as error:
                # The streams end rather than fall silent; their clients come back.
                log.warning("inbox_feed_failed", exc_info=not is_unavailable(error))
                self._task = None
                self._end_streams()
                return

    async def _look(self) -> None:
        ready = [watcher for watcher in self._watchers if watcher.has_room]
        if not ready:
            return
        # Of several streams of one inbox, the one furthest behind decides where to start.
        seen: dict[str, int] = {}
        for watcher in ready:
            seen[watcher.recipient] = min(watcher.seen, seen.get(watcher.recipient, _LARGEST_SEQ))
        async with self._database.transaction() as tx:
            items = await storage.newer(tx, seen, _PAGE)
        for watcher in ready:
            mine = [
                item
                for item in items
                if item.recipient == watcher.recipient and item.seq > watcher.seen
            ]
            if mine and watcher.has_room:
                watcher.found.put_nowait(mine)
                watcher.seen = mine[-1].seq


def feed_of(app: FastAPI) -> InboxFeed:
    """Return the feed of an app, made when first asked for."""
    feed: InboxFeed | None = getattr(app.state, "inbox_feed", None)
    if feed is None:
        feed = app.state.inbox_feed = InboxFeed(app.state.database)
    return feed


@router.get(
    "/stream",
    response_class=EventSourceResponse,
    dependencies=[authorize("notifications:read")],
    responses=responses(InvalidEmail),
)
async def stream_inbox(
    request: Request,
    recipient: RecipientQuery,
    last_event_id: Annotated[
        int | None,
        Header(ge=0, le=_LARGEST_SEQ, description="The id of the last event seen."),
    ] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Follow somebody's inbox live, as server-sent events named `inbox`.

    Starts with what comes next; with `Last-Event-ID` with what came after that event.
    """
    database: Database = request.app.state.database
    start = last_event_id
    if start is None:
        async with database.transaction() as tx:
            start = await storage.last_seq(tx, recipient)
    yield ServerSentEvent(comment="connected", retry=_RETRY_MILLISECONDS)
    async for item in feed_of(request.app).items(recipient, start):
        if await identify(request) is None:  # the key was revoked, or has expired, meanwhile
            return
        yield ServerSentEvent(data=InboxItem.of(item), event="inbox", id=str(item.seq))
