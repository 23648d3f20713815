"""The HTTP app of a service."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.web import deps, openapi, problems
from shared.web.middleware import Door
from shared.web.probes import PATHS, Check, probes
from shared.web.routing import TenureRoute
from shared.web.shortcut import DirectRoute, Shortcut

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def build_app(
    name: str,
    *,
    description: str,
    routers: Sequence[APIRouter],
    lifespan: Lifespan,
    readiness: Mapping[str, Check],
) -> "App":
    """Return the app of a service.

    ``lifespan`` sets ``app.state.database`` and ``app.state.key_ring``. ``readiness`` names what
    must be there before requests are welcome. Routers come from `api_router`.
    """
    app = App(
        title=f"Tenure {name}",
        description=description,
        version=_version(),
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
        responses=openapi.any_problem(),
        generate_unique_id_function=lambda route: f"{name}_{route.name}",
        # Spans come from FastAPI, metrics from us; the spans within a request cost more than
        # they tell.
        telemetry={
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "exclude": lambda scope: scope.get("path") in PATHS,
        },
    )
    problems.install(app)
    for router in [probes(readiness), *routers]:
        app.include_router(router)
    app.add_middleware(Door, route_of=_route_names(app))
    _check_routes(app)
    app.take_shortcut()
    return app


def _version() -> str:
    try:
        return version("tenure")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0.0.0"


class App(FastAPI):
    """An app whose OpenAPI document lists every problem, and with a short way to some routes."""

    _way: ASGIApp | None = None

    def take_shortcut(self) -> None:
        """Reach direct routes without what the framework does in between."""
        routes = [route.original_route for route in iter_route_contexts(self.routes)]
        endpoints = {
            route.path: route.endpoint for route in routes if isinstance(route, DirectRoute)
        }
        self._way = Shortcut(super().__call__, endpoints) if endpoints else super().__call__

    def stand_behind(self, layer: Callable[[ASGIApp], ASGIApp]) -> None:
        """Let a layer see each request first, those for direct routes too."""
        self._way = layer(self._way or super().__call__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or run for as long as the server does."""
        scope["app"] = self
        await (self._way or super().__call__)(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, made once."""
        if self.openapi_schema is None:
            openapi.complete(self, super().openapi())
        return super().openapi()


def _check_routes(app: FastAPI) -> None:
    seen: set[str] = set()
    for route in iter_route_contexts(app.routes):
        original = route.original_route
        if not isinstance(original, APIRoute):
            continue
        if not isinstance(original, TenureRoute):
            raise TypeError(f"{route.path}: make its router with api_router()")
        if original.name in seen:
            raise ValueError(f"{original.name}: two routes with one operation id")
        if _opens_before_asking(route):
            raise TypeError(f"{original.name}: ask for authorize() before Tx")
        *dependencies, _endpoint = deps.asked_by(route.dependant)
        for call in filter(_takes_a_thread, dependencies):
            raise TypeError(f"{original.name}: make {call.__qualname__} async")
        seen.add(original.name)


def _opens_before_asking(route: RouteContext) -> bool:
    """Tell whether a stranger could make a route take a database connection."""
    asked = deps.asked_by(route.dependant)
    if deps.require_scopes not in asked or deps.transaction not in asked:
        return False
    return asked.index(deps.transaction) < asked.index(deps.require_scopes)


def _takes_a_thread(call: Any) -> bool:
    """Tell whether FastAPI would run it in a thread, which takes longer than what it does."""
    function = call if inspect.isroutine(call) else type(call).__call__
    return not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function))


def _route_names(app: FastAPI) -> Callable[[Scope], str]:
    # A matched route knows its path within its router only; the whole template is known here.
    names = {
        id(route.original_route): route.path_format for route in iter_route_contexts(app.routes)
    }

    def route_of(scope: Scope) -> str:
        return names.get(id(scope.get("route"))) or "none"

    return route_of
