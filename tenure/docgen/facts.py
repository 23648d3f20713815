"""What there is to tell of each fact: who says it, who hears it, its fields, an example."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from shared.bus.listeners import Listener
from shared.contracts.event import Event, Fact
from shared.contracts.registry import FACTS, topic_of
from shared.kernel.errors import Invalid, NotFound
from tenure.catalog import SERVICES
from tenure.docgen.schemas import data_schema, type_in_words
from tenure.docgen.vocabulary import word_for

_EXAMPLE_TIME = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
_EXAMPLE_ID = "0199a1b2-7a10-7c3e-9d4f-0000000000ff"
_EXAMPLE_CAUSE = "0199a1b2-7a10-7c3e-9d4f-0000000000fe"
_EXAMPLE_TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
_FALLBACKS: Mapping[str, Any] = {
    "string": "text",
    "integer": 1,
    "number": 0.5,
    "boolean": True,
    "object": {},
    "date": "2026-03-02",
    "time": "2026-03-02T12:00:00Z",
}


class UnknownField(NotFound):
    """A field has neither a description in its contract nor a word in the vocabulary."""


class UnfitExample(Invalid):
    """The vocabulary's example of a field does not fit it: name it ``<fact>.<field>`` there."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a fact's data."""

    name: str
    type: str
    is_required: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class Hearing:
    """A service that hears a fact, and what it does then."""

    service: str
    does: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact as the documents tell it."""

    fact: type[Fact]
    name: str
    type: str
    publisher: str
    topic: str
    said: str
    fields: tuple[Field, ...]
    heard_by: tuple[Hearing, ...]
    example: Mapping[str, Any]

    @property
    def summary(self) -> str:
        """The first paragraph of what it says, on one line."""
        return " ".join(self.said.partition("\n\n")[0].split())

    @property
    def listeners(self) -> tuple[str, ...]:
        """The services that hear it, each once."""
        return tuple(dict.fromkeys(hearing.service for hearing in self.heard_by))


@cache
def entries() -> tuple[Entry, ...]:
    """Return every fact, in the order of the registry."""
    listeners = listeners_by_service()
    return tuple(entry_of(fact, listeners) for fact in FACTS)


def listeners_by_service() -> dict[str, tuple[Listener, ...]]:
    """Return what each service listens to."""
    return {name: tuple(import_module(f"services.{name}.listeners").LISTENERS) for name in SERVICES}


def entry_of(fact: type[Fact], listeners: Mapping[str, Iterable[Listener]]) -> Entry:
    """Return what there is to tell of a fact. Raises `UnknownField`."""
    publisher = fact.publisher()
    return Entry(
        fact=fact,
        name=fact_name(fact),
        type=fact.event_type,
        publisher=publisher,
        topic=topic_of(publisher),
        said=inspect.cleandoc(fact.__doc__ or ""),
        fields=_fields(fact),
        heard_by=_heard_by(fact, listeners),
        example=example_event(fact).to_dict(),
    )


def fact_name(fact: type[Fact]) -> str:
    """Return a fact's name as its type spells it: ``risk_opened``."""
    return fact.event_type.split(".")[3]


def example_event(fact: type[Fact]) -> Event:
    """Return an event that could have been said."""
    try:
        said = fact.model_validate(_example_data(fact))
    except ValidationError as error:
        raise UnfitExample(f"{fact.__name__}: an example of another meaning? {error}") from None
    return Event(
        id=_EXAMPLE_ID,
        source=f"/tenure/{fact.publisher()}",
        type=fact.event_type,
        subject=said.account_id,
        time=_EXAMPLE_TIME,
        data=said.model_dump(mode="json"),
        traceparent=_EXAMPLE_TRACE,
        causationid=_EXAMPLE_CAUSE,
        correlationid=_EXAMPLE_CAUSE,
    )


def _example_data(fact: type[Fact]) -> dict[str, Any]:
    data = {}
    for name, schema in data_schema(fact)["properties"].items():
        word = word_for(fact_name(fact), name)
        data[name] = word.example if word else _fallback(schema)
    return data


def _fallback(schema: Mapping[str, Any]) -> Any:
    wanted = type_in_words(schema).partition(" ")[0]
    return [] if wanted == "array" else _FALLBACKS.get(wanted)


def _fields(fact: type[Fact]) -> tuple[Field, ...]:
    schema = data_schema(fact)
    required = schema.get("required", ())
    return tuple(
        Field(name, type_in_words(each), name in required, _meaning(fact, name))
        for name, each in schema["properties"].items()
    )


def _meaning(fact: type[Fact], field: str) -> str:
    described = fact.model_fields[field].description
    word = word_for(fact_name(fact), field)
    if described is None and word is None:
        raise UnknownField(
            f"{fact.__name__}.{field}: give it Field(description=...) in shared/contracts, or a "
            "word in tenure/docgen/vocabulary.py"
        )
    return described or (word.meaning if word else "")


def _heard_by(fact: type[Fact], listeners: Mapping[str, Iterable[Listener]]) -> tuple[Hearing, ...]:
    return tuple(
        Hearing(service, _does(listener.handle))
        for service, heard in listeners.items()
        for listener in heard
        if listener.fact is fact
    )


def _does(handle: Callable[..., Any]) -> str:
    function = handle.func if isinstance(handle, partial) else handle
    return inspect.cleandoc(function.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
