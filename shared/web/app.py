"""The HTTP app of a service."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.types import Scope

from shared.web import openapi, problems
from shared.web.middleware import Door
from shared.web.probes import PATHS, Check, probes
from shared.web.routing import TenureRoute

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def build_app(
    name: str,
    *,
    description: str,
    routers: Sequence[APIRouter],
    lifespan: Lifespan,
    readiness: Mapping[str, Check],
) -> FastAPI:
    """Return the app of a service.

    ``lifespan`` sets ``app.state.database`` and ``app.state.key_ring``. ``readiness`` names what
    must be there before requests are welcome. Routers come from `api_router`.
    """
    app = _App(
        title=f"Tenure {name}",
        description=description,
        version=version("tenure"),
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
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
    return app


class _App(FastAPI):
    """An app whose OpenAPI document lists every problem."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, made once."""
        if self.openapi_schema is None:
            openapi.complete(self, super().openapi())
        return super().openapi()


def _check_routes(app: FastAPI) -> None:
    seen: set[str] = set()
    for route in iter_route_contexts(app.routes):
        original = route.original_route
        if isinstance(original, APIRoute) and not isinstance(original, TenureRoute):
            raise TypeError(f"{route.path}: make its router with api_router()")
        if isinstance(original, APIRoute) and original.name in seen:
            raise ValueError(f"{original.name}: two routes with one operation id")
        seen.add(original.name if isinstance(original, APIRoute) else "")


def _route_names(app: FastAPI) -> Callable[[Scope], str]:
    # A matched route knows its path within its router only; the whole template is known here.
    names = {
        id(route.original_route): route.path_format for route in iter_route_contexts(app.routes)
    }

    def route_of(scope: Scope) -> str:
        return names.get(id(scope.get("route"))) or "none"

    return route_of
