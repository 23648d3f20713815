"""Problem details (RFC 9457) for everything that is not a success. Never HTML."""

import math
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from shared.db.errors import is_unavailable
from shared.kernel.errors import Kind, Refusal, type_of
from shared.kernel.figures import counted
from shared.observability.logging import get_logger

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2
_LONGEST_TEXT = 2_000
_log = get_logger(__name__)

_CODES = {
    400: "malformed_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "route_not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
}
_DETAILS = {
    404: "There is no such route; /docs lists what there is.",
    405: "This route does not answer to that method; the Allow header lists those it does.",
    413: "The body is larger than this route accepts.",
}
# Postgres: text it cannot store (a NUL or half a surrogate), which JSON can carry.
_UNSTORABLE_TEXT = frozenset({"22021", "22P05"})


class FieldError(BaseModel):
    """What is wrong with one part of a request, and what to do."""

    location: str = Field(examples=["body"], description="body, query, path, header or cookie")
    pointer: str = Field(examples=["/plan/name"], description="JSON pointer within the location")
    code: str = Field(examples=["missing"])
    message: str = Field(examples=["Add this field."])
    line: int | None = Field(default=None, description="Only of a body that is a text of lines.")
    column: int | None = Field(default=None, description="Counted from 1, as the line is.")


class Problem(BaseModel):
    """Why a request was not done (RFC 9457). `code` is for machines, `message` for people."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=[type_of("not_found")])
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    instance: str = Field(description="The path of the request.")
    code: str
    message: str = Field(description="The same as `detail`.")
    request_id: str = Field(description="The same as the header X-Request-Id.")
    errors: list[FieldError] | None = Field(default=None, description="Only for invalid requests.")


def install(app: FastAPI) -> None:
    """Answer every expected error of an app with problem details."""
    app.add_exception_handler(Refusal, _on_refusal)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)


def problem(
    request: Request,
    *,
    status: int,
    code: str,
    detail: str,
    extra: Mapping[str, Any] | None = None,
) -> JSONResponse:
    """Return problem details as a response.

    ``extra`` members are added; of the standard ones they can only replace ``title``. Texts are
    cut: they may quote what was sent, and a large request must not make a larger answer.
    """
    detail = _cut(detail)
    body = {
        "title": HTTPStatus(status).phrase,
        **jsonable_encoder(dict(extra or {})),
        "type": type_of(code),
        "status": status,
        "detail": detail,
        "instance": _cut(request.url.path),
        "code": code,
        "message": detail,
        "request_id": getattr(request.state, "request_id", ""),
    }
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."


def refused(request: Request, refusal: Refusal) -> JSONResponse:
    """Return the response to a named refusal; ``retry_after`` in its context is in seconds."""
    response = problem(
        request,
        status=refusal.kind.value,
        code=refusal.code(),
        detail=refusal.detail,
        extra={**refusal.context, "title": refusal.title()},
    )
    wait = refusal.context.get("retry_after")
    if wait is None and refusal.kind in {Kind.UNAVAILABLE, Kind.RATE_LIMITED}:
        wait = RETRY_SECONDS
    if wait is not None:
        response.headers["Retry-After"] = str(math.ceil(wait))
    if refusal.kind is Kind.UNAUTHENTICATED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def unexpected(request: Request, error: Exception) -> JSONResponse:
    """Return the response to an error that nobody named, and log it.

    The database being away is 503, text it cannot hold is 422, anything else is 500 with nothing
    but a request id.
    """
    if is_unavailable(error):
        _log.warning("unavailable", path=request.url.path, error=type(error).__name__)
        return unavailable(request)
    if getattr(getattr(error, "orig", None), "sqlstate", None) in _UNSTORABLE_TEXT:
        return problem(
            request,
            status=422,
            code="invalid_request",
            detail="The request holds characters that cannot be stored; remove NUL characters.",
        )
    _log_unexpected(request, error)
    return problem(
        request,
        status=500,
        code="internal_error",
        detail="Something went wrong on our side. Quote the request_id when you report it.",
    )


def unavailable(request: Request) -> JSONResponse:
    """Return "not now, try again"."""
    response = problem(
        request,
        status=503,
        code="unavailable",
        detail="The service cannot do this right now. Nothing was changed; try again.",
    )
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _log_unexpected(request: Request, error: Exception) -> None:
    if isinstance(error, ResponseValidationError):
        # Its text repeats the answer, contact data included: log where it is wrong, not what.
        wrong = [f"{each['type']} at {_pointer(each['loc'])}" for each in error.errors()]
        _log.error("answer_does_not_fit_its_model", path=request.url.path, wrong=wrong)
        return
    _log.error("internal_error", path=request.url.path, exc_info=error)


async def _on_refusal(request: Request, error: Exception) -> JSONResponse:
    return refused(request, error) if isinstance(error, Refusal) else unexpected(request, error)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        return unexpected(request, error)
    status = error.status_code
    response = problem(
        request,
        status=status,
        code=_CODES.get(status, f"http_{status}"),
        detail=_DETAILS.get(status) or str(error.detail),
    )
    response.headers.update(error.headers or {})
    return response


async def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        return unexpected(request, error)
    return problem(
        request,
        status=422,
        code="invalid_request",
        detail="The request is not valid; see errors.",
        extra={"errors": [_told(each, error.body) for each in error.errors()]},
    )


# Messages say what to do. What was sent is not repeated: it may hold a secret.
_ADVICE = {
    "missing": "Add this field.",
    "extra_forbidden": "Remove this field; it is not known here.",
    "string_unicode": "Send text as valid Unicode.",
    "model_attributes_type": "Send a JSON object.",
    "model_type": "Send a JSON object.",
    "dict_type": "Send a JSON object.",
    "timezone_aware": "Add the time zone: Z for UTC, or an offset such as +01:00.",
    "union_tag_invalid": "Choose one of the kinds listed in /docs.",
}


def _told(error: Mapping[str, Any], body: Any) -> dict[str, Any]:
    return _field_error(error, body).model_dump(exclude_none=True)


def _field_error(error: Mapping[str, Any], body: Any) -> FieldError:
    code, location = str(error["type"]), list(error["loc"])
    where = str(location[0]) if location else "body"
    if code == "json_invalid":
        message = f"Send valid JSON. {error['ctx']['error']}."
        return FieldError(location=where, pointer="", code=code, message=message)
    message = _ADVICE.get(code) or _length(error) or f"{_plain(error['msg'])}."
    parts = location[1:] if where != "body" else list(_written(location[1:], body, code))
    return FieldError(location=where, pointer=_pointer(parts), code=code, message=message)


def _written(location: Sequence[Any], body: Any, code: str) -> Iterator[Any]:
    """Yield the parts of a location that are of the body; pydantic adds names of its own types."""
    for place, part in enumerate(location):
        is_last = place == len(location) - 1
        if (isinstance(body, Mapping) and part in body) or (
            isinstance(body, list) and isinstance(part, int) and part < len(body)
        ):
            body = body[part]
        elif not (is_last and code == "missing"):
            continue
        yield part


def _length(error: Mapping[str, Any]) -> str | None:
    """Return how long a text may be; pydantic counts items where a validator stands in between."""
    if not isinstance(error.get("input"), str) or error["type"] not in {"too_long", "too_short"}:
        return None
    bounds = error["ctx"]
    if "max_length" in bounds:
        return f"Write at most {counted(bounds['max_length'], 'character')}."
    return f"Write at least {counted(bounds['min_length'], 'character')}."


def _plain(said: str) -> str:
    """Return what pydantic says, without its own words around ours."""
    return said.removeprefix("Value error, ").removesuffix(".")


def _pointer(location: Sequence[Any]) -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in location)
    return "".join(f"/{part}" for part in parts)[:200]
