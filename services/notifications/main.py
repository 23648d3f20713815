"""Composition root: the HTTP app with its listeners and couriers."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from types import FrameType
from typing import Any

from fastapi import FastAPI

from services.notifications import api
from services.notifications.api.stream import feed_of
from services.notifications.jobs import jobs
from services.notifications.listeners import LISTENERS
from services.notifications.settings import Settings
from shared.web.service import Service, build_service

SERVICE = Service(
    name="notifications",
    description="Everyone hears what they should, once: inbox, e-mail and signed webhooks.",
    routers=api.ROUTERS,
    listeners=LISTENERS,
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the app of this service, couriers included."""
    used = settings or Settings()
    app = build_service(replace(SERVICE, jobs=jobs(used)), used)
    app.router.lifespan_context = _ending_streams(app.router.lifespan_context)
    return app


def _ending_streams(lifespan: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Wrap a lifespan so that live streams end when the process is told to stop.

    The server waits for every response to end before it shuts the app down, and a stream has no
    end of its own: without this each would cost the whole grace period.
    """

    @asynccontextmanager
    async def wrapped(app: FastAPI) -> AsyncIterator[Any]:
        async with lifespan(app) as state:
            loop = asyncio.get_running_loop()
            before = {sign: signal.getsignal(sign) for sign in (signal.SIGTERM, signal.SIGINT)}

            def end_streams(sign: int, frame: FrameType | None) -> None:
                loop.call_soon_threadsafe(feed_of(app).close)
                handler = before[signal.Signals(sign)]
                if callable(handler):
                    handler(sign, frame)

            _handle({sign: end_streams for sign, old in before.items() if callable(old)})
            try:
                yield state
            finally:
                _handle(before)

    return wrapped


def _handle(handlers: Any) -> None:
    try:
        for sign, handler in handlers.items():
            signal.signal(sign, handler)
    except ValueError:
        # Not the main thread: whoever runs the app there also ends it.
        return
