"""A short way for the few routes that take many small requests.

Between the server and an endpoint, the framework opens a span, looks through all routers and
stacks contexts: several times the work of the endpoint itself. A `DirectRoute` is reached without
that. It stays an ordinary route for everything else: the documentation, and other methods.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.kernel.errors import Refusal
from shared.web import problems
from shared.web.middleware import Door
from shared.web.routing import TenureRoute

Endpoint = Callable[[Request], Awaitable[Response]]


class DirectRoute(TenureRoute):
    """A POST route on a fixed path, whose endpoint is one function of the request.

    The endpoint reads its body and sets its own limit; it has no dependencies, no idempotency key
    and no span. Expected refusals, request ids and metrics are as everywhere.
    """

    largest_body = None
    is_strict = False  # SDKs send parameters of their own, such as PostHog's ?ip=1&_=...&ver=...

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the endpoint as it is."""
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


class Shortcut:
    """Sends requests for direct routes straight to their endpoints, and others to the app."""

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, Endpoint]) -> None:
        self._app = app
        self._endpoints = endpoints
        self._door = Door(self._answer, route_of=lambda scope: str(scope["path"]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its response back."""
        is_direct = scope["type"] == "http" and scope["method"] == "POST"
        if is_direct and scope["path"] in self._endpoints:
            await self._door(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._endpoints[scope["path"]](request)
        except Refusal as refusal:
            response = problems.refused(request, refusal)
        await response(scope, receive, send)
