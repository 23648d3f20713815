"""Browsers on pages of other origins, which send events by themselves."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_DAY = 86_400
_PATHS = (
    *("/v1/", "/sourceConfig"),
    *("/batch", "/capture", "/e", "/i/", "/flags", "/decide", "/array/"),
)
"""What the SDKs of browsers call. All else is for programs, and people with keys of their own."""


class Browsers:
    """Tells browsers (CORS) that pages of some origins may send events, and nothing else.

    ``origins`` are such as ``https://app.example``; ``*`` is any. No cookie is ever read, and a
    write key that stands in a page opens nothing but this.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._open = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            max_age=_DAY,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and mark its response for the browser."""
        is_open = scope["type"] == "http" and scope["path"].startswith(_PATHS)
        await (self._open if is_open else self._app)(scope, receive, send)
