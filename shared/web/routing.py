"""The route class of every service: body limit, known parameters, answers that are given twice."""

import json
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar

import msgspec
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.params import Depends
from fastapi.routing import APIRoute
from starlette.types import Message, Receive

from shared.auth.principal import Unauthenticated
from shared.contracts.showing import as_shown
from shared.web import idempotency
from shared.web.deps import asked_by, presented_secret, require_scopes
from shared.web.query import check_query, parameters_of

_MEBIBYTE = 1024 * 1024


class TenureRoute(APIRoute):
    """A route that reads at most `largest_body` bytes and stores answers for idempotency.

    FastAPI's own ``max_body_size`` answers in plain text; ours must be problem details. Query
    parameters that it does not know are refused where `is_strict` (decision 23); numbers in its
    answers are as people read them, unless the answer `is_verbatim`.
    """

    largest_body: ClassVar[int | None] = _MEBIBYTE
    is_strict: ClassVar[bool] = True
    is_verbatim: ClassVar[bool] = False

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler; it runs while the transaction of the request is still open."""
        handle = super().get_route_handler()
        known = parameters_of(self.dependant)
        is_guarded = require_scopes in asked_by(self.dependant)

        async def handle_once(request: Request) -> Response:
            # Who has no key is told that first, not what else may be wrong.
            if is_guarded and presented_secret(request) is None:
                raise Unauthenticated
            if self.is_strict and request.scope["query_string"]:
                check_query(request.query_params, known)
            limited = _limited(request, self.largest_body)
            try:
                response = await handle(limited)
            except idempotency.Replay as replay:
                return replay.response
            if not self.is_verbatim:
                _round(response)
            await idempotency.finish(limited, response)
            return response

        return handle_once


class ForeignRoute(TenureRoute):
    """A route that is called by what we did not write, which may add parameters of its own."""

    is_strict = False


class VerbatimRoute(TenureRoute):
    """A route that shows what others wrote, such as a document or an event: digit by digit."""

    is_verbatim = True


def api_router(
    prefix: str,
    *,
    tags: Sequence[str] = (),
    dependencies: Sequence[Depends] = (),
    route_class: type[TenureRoute] = TenureRoute,
) -> APIRouter:
    """Return a router whose routes are ours, for example ``api_router("/api/v1/playbooks")``."""
    return APIRouter(
        prefix=prefix,
        tags=list(tags),
        dependencies=list(dependencies),
        route_class=route_class,
        redirect_slashes=False,
    )


class _StrictRequest(Request):
    """Reads JSON by the letter: no NaN, no half surrogates, which no database would take."""

    async def json(self) -> Any:
        """Return the body, parsed; raise what FastAPI expects when it is not JSON."""
        try:
            return msgspec.json.decode(await self.body())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise json.JSONDecodeError(str(error), "", 0) from error


def _round(response: Response) -> None:
    """Show numbers as people read them, whatever the route computed."""
    if response.media_type != "application/json":
        return
    body = as_shown(bytes(response.body))
    if body is not response.body:
        response.body = body
        response.headers["Content-Length"] = str(len(body))


def _limited(request: Request, largest: int | None) -> Request:
    if largest is None or request.method in {"GET", "HEAD"}:
        return request
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > largest:
        raise HTTPException(413)
    return _StrictRequest(request.scope, _counted(request.receive, largest))


def _counted(receive: Receive, largest: int) -> Receive:
    total = 0

    async def receive_counted() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > largest:
            raise HTTPException(413)
        return message

    return receive_counted
