"""The outermost layer of a request, as plain ASGI.

Starlette's BaseHTTPMiddleware leaks connections when a client goes away; this does not.
"""

import os
import re
import time
from collections.abc import Callable

import structlog
from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.observability.metrics import HTTP_REQUESTS
from shared.web import problems

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class Door:
    """Gives each request an id, measures it, and answers what nobody expected.

    ``route_of`` names the route of a scope: labels are templates, never paths.
    """

    def __init__(self, app: ASGIApp, route_of: Callable[[Scope], str]) -> None:
        self._app = app
        self._route_of = route_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its response back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        has_started = False

        async def send_marked(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                _add_headers(message, request_id)
                self._measure(scope, message["status"], started)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_marked)
            except ClientDisconnect:
                self._measure(scope, 499, started)
            except Exception as error:
                if has_started:
                    raise
                answer = problems.unexpected(Request(scope), error)
                await answer(scope, receive, send_marked)

    def _measure(self, scope: Scope, status: int, started: float) -> None:
        # At the first byte: a live stream that stays open for hours is not a slow request.
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        labels = HTTP_REQUESTS.labels(method, self._route_of(scope), str(status))
        labels.observe(time.perf_counter() - started)


def _request_id(scope: Scope) -> str:
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given.decode() if _REQUEST_ID.fullmatch(given) else os.urandom(16).hex()


def _add_headers(message: Message, request_id: str) -> None:
    given = list(message.get("headers", ()))
    names = {name for name, _ in given}
    given += [header for header in _SECURITY_HEADERS if header[0] not in names]
    message["headers"] = [*given, (b"x-request-id", request_id.encode())]
