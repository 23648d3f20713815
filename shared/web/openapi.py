"""OpenAPI that tells the whole truth: every problem of every route, and the idempotency key."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic.json_schema import models_json_schema

from shared.auth.principal import InvalidApiKey, MissingScope, Unauthenticated
from shared.kernel.errors import Invalid, Kind, Refusal, type_of
from shared.web import deps, idempotency, problems

_REFERENCE = {"$ref": "#/components/schemas/Problem"}
_KEY_PARAMETER = {
    "name": idempotency.HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "Send the same key to repeat a request safely, for 24 hours.",
}


class InvalidRequest(Invalid):
    """The request is not valid; see errors."""


class Unavailable(Refusal):
    """The service cannot do this right now. Nothing was changed; try again."""

    kind = Kind.UNAVAILABLE


def responses(*refusals: type[Refusal]) -> dict[int | str, dict[str, Any]]:
    """Return what a route lists in ``responses=``: the refusals it may give, with an example."""
    listed: dict[int | str, dict[str, Any]] = {}
    for refusal in refusals:
        response = listed.setdefault(refusal.kind.value, _empty(refusal.title()))
        _examples(response)[refusal.code()] = _example(refusal)
    return listed


def any_problem() -> dict[int | str, dict[str, Any]]:
    """Return what every route may answer; it takes the place of FastAPI's own error format."""
    return {"default": _empty("Any other problem.")}


def complete(app: FastAPI, document: dict[str, Any]) -> None:
    """Add to a document what FastAPI cannot know: common problems, and the idempotency key."""
    _, schemas = models_json_schema(
        [(problems.Problem, "serialization")], ref_template="#/components/schemas/{model}"
    )
    components = document.setdefault("components", {}).setdefault("schemas", {})
    components.update(schemas["$defs"])
    for route in iter_route_contexts(app.routes):
        for method, operation in _operations(document, route):
            _complete_operation(operation, method, route)


def _operations(document: dict[str, Any], route: RouteContext) -> Iterator[tuple[str, Any]]:
    path = document.get("paths", {}).get(route.path_format, {})
    for method in route.methods or ():
        if method.lower() in path:
            yield method, path[method.lower()]


def _complete_operation(operation: dict[str, Any], method: str, route: RouteContext) -> None:
    asked = _asked_by(route)
    uses_tx = deps.transaction in asked
    common: list[type[Refusal]] = []
    if operation.get("security"):
        common += [Unauthenticated, InvalidApiKey, MissingScope]
    is_strict = getattr(route.original_route, "is_strict", False)
    if is_strict or operation.get("parameters") or operation.get("requestBody"):
        common.append(InvalidRequest)
    if uses_tx or operation.get("security"):
        common.append(Unavailable)
    if uses_tx and method == "POST" and operation.get("security"):
        operation.setdefault("parameters", []).append(_KEY_PARAMETER)
        common += [
            idempotency.InvalidIdempotencyKey,
            idempotency.IdempotencyKeyInFlight,
            idempotency.IdempotencyKeyReused,
        ]
        if idempotency.shown_once in asked:
            common.append(idempotency.SecretShownOnce)
    _merge(operation["responses"], responses(*common))


def _merge(into: dict[str, Any], more: dict[int | str, dict[str, Any]]) -> None:
    for status, response in more.items():
        present = into.setdefault(str(status), response)
        if problems.MEDIA_TYPE in present.get("content", {}):
            examples = _examples(present)
            examples.update({**_examples(response), **examples})


def _empty(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {problems.MEDIA_TYPE: {"schema": _REFERENCE, "examples": {}}},
    }


def _examples(response: dict[str, Any]) -> dict[str, Any]:
    examples: dict[str, Any] = response["content"][problems.MEDIA_TYPE]["examples"]
    return examples


def _example(refusal: type[Refusal]) -> dict[str, Any]:
    value = {
        "type": type_of(refusal.code()),
        "title": refusal.title(),
        "status": refusal.kind.value,
        "detail": refusal.title(),
        "instance": "/api/v1/...",
        "code": refusal.code(),
        "message": refusal.title(),
        "request_id": "0199a1b2-0000-7000-8000-000000000000",
    }
    return {"summary": refusal.title(), "value": value}


def _asked_by(route: RouteContext) -> list[Any]:
    return deps.asked_by(getattr(route, "dependant", None))
