"""JSON Schemas of facts and of the envelope."""

from collections.abc import Mapping
from typing import Any

from shared.contracts.event import Fact

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_NAMESPACES = frozenset({"properties", "$defs"})
_PROSE = frozenset({"title", "description"})


def data_schema(fact: type[Fact]) -> dict[str, Any]:
    """Return the schema of a fact's data as consumers may rely on it: no prose, no references.

    It is the schema for reading: a field is required when it is always there.
    """
    schema = fact.model_json_schema(mode="validation")
    plain: dict[str, Any] = _plain(schema, schema.get("$defs", {}))
    plain.pop("$defs", None)
    return plain


def schema_id(event_type: str) -> str:
    """Return the URI that ``dataschema`` names for a type."""
    return f"https://tenure.io/schemas/{event_type}.json"


def type_in_words(schema: Mapping[str, Any]) -> str:
    """Return a field's type for a person: ``date``, ``array of string``, ``number or null``."""
    if "anyOf" in schema:
        return " or ".join(type_in_words(each) for each in schema["anyOf"])
    if schema.get("format") == "date-time":
        return "time"
    if schema.get("format") == "date":
        return "date"
    if schema.get("type") == "array":
        return f"array of {type_in_words(schema.get('items', {}))}"
    return str(schema.get("type", "any"))


def _plain(value: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_plain(each, definitions) for each in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _plain(definitions[value["$ref"].rpartition("/")[2]], definitions)
    return {
        key: _plain_names(each, definitions) if key in _NAMESPACES else _plain(each, definitions)
        for key, each in value.items()
        if key not in _PROSE
    }


def _plain_names(named: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    # The keys are names of fields here: a field may well be called "title".
    return {name: _plain(schema, definitions) for name, schema in named.items()}
