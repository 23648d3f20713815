"""Query parameters that a route would not read as they were meant: refused, never ignored."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import Any

from fastapi._compat import field_annotation_is_sequence
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.datastructures import QueryParams

Parameters = Mapping[str, bool]
"""Names of query parameters, and whether each may be sent more than once."""

_MOST_TOLD = 20


def parameters_of(dependant: Dependant) -> Parameters:
    """Return the query parameters that a route and its dependencies read."""
    return dict(_parameters(dependant))


def check_query(sent: QueryParams, known: Parameters) -> None:
    """Refuse names that nobody reads, and a second value for what has one.

    Raises `RequestValidationError`, which names the nearest parameter there is.
    """
    errors = [*islice(_errors(sent, known), _MOST_TOLD)]
    if errors:
        raise RequestValidationError(errors)


def _parameters(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    for field in dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for name, info in kind.model_fields.items():
                yield info.alias or name, field_annotation_is_sequence(info.annotation)
        else:
            yield field.alias, field_annotation_is_sequence(kind)
    for each in dependant.dependencies:
        yield from _parameters(each)


def _errors(sent: QueryParams, known: Parameters) -> Iterator[dict[str, Any]]:
    for name in sent:
        if name not in known:
            yield _error(name, "unknown_parameter", _advice(name, sorted(known)))
        elif not known[name] and len(sent.getlist(name)) > 1:
            yield _error(name, "repeated_parameter", "Send this parameter once")


def _advice(name: str, known: list[str]) -> str:
    if not known:
        return "Remove this parameter; this route takes none"
    nearest = get_close_matches(name, known, n=1)
    meant = f"Did you mean {nearest[0]}? " if nearest else "Remove this parameter. "
    return f"{meant}This route knows {', '.join(known)}"


def _error(name: str, code: str, message: str) -> dict[str, Any]:
    return {"type": code, "loc": ("query", name), "msg": message}
