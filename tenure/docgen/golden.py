"""Golden schemas: what a released event type promises, and whether the code still keeps it.

Within a major version a type only gains optional fields. A golden file is therefore only ever
added, or extended by what a type gained; anything else is refused and needs a new version.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from shared.contracts.event import Fact
from tenure.docgen.schemas import DIALECT, data_schema, schema_id

FOLDER = Path("tests/contracts/golden")

Schema = Mapping[str, Any]


def golden_of(fact: type[Fact]) -> dict[str, Any]:
    """Return the schema that a fact's golden file holds."""
    return {
        "$id": schema_id(fact.event_type),
        "$schema": DIALECT,
        "title": fact.event_type,
        **data_schema(fact),
    }


def read_goldens(root: Path) -> dict[str, dict[str, Any]]:
    """Return the golden schemas by event type."""
    return {path.stem: json.loads(path.read_text()) for path in (root / FOLDER).glob("*.json")}


def broken_promises(goldens: Mapping[str, Schema], facts: Iterable[type[Fact]]) -> list[str]:
    """Return what the facts no longer keep of the golden schemas, each as a sentence."""
    now = {fact.event_type: golden_of(fact) for fact in facts}
    found = [f"{name}: the type is gone" for name in sorted(set(goldens) - set(now))]
    for name in sorted(set(goldens) & set(now)):
        found += [f"{name}: {change}" for change in breaking_changes(goldens[name], now[name])]
    return found


def files(facts: Iterable[type[Fact]]) -> dict[str, str]:
    """Return the golden files as they are to be, by path."""
    return {
        str(FOLDER / f"{fact.event_type}.json"): _to_text(golden_of(fact))
        for fact in sorted(facts, key=lambda fact: fact.event_type)
    }


def breaking_changes(before: Schema, after: Schema, path: str = "") -> list[str]:
    """Return every change from one schema to the next but new optional fields."""
    old, new = before.get("properties", {}), after.get("properties", {})
    found = []
    if _shape(before) != _shape(after):
        found.append(f"{path or 'data'} was {_shape(before)} and is {_shape(after)}")
    for name, schema in old.items():
        found += _changes_of_field(f"{path}{name}", schema, new.get(name))
    was, now = set(before.get("required", ())), set(after.get("required", ()))
    found += [f"{path}{name} is new and required" for name in sorted(now - was - set(old))]
    found += [
        f"{path}{name} was optional and is required" for name in sorted((now - was) & set(old))
    ]
    found += [
        f"{path}{name} was required and is optional" for name in sorted((was - now) & set(new))
    ]
    return found


def _changes_of_field(path: str, before: Schema, after: Schema | None) -> list[str]:
    if after is None:
        return [f"{path} is gone"]
    if "properties" in before and "properties" in after:
        return breaking_changes(before, after, f"{path}.")
    if before != after:
        # Also a wider type breaks: who reads today's type does not expect what it gained.
        return [f"{path} was {json.dumps(before)} and is {json.dumps(after)}"]
    return []


def _shape(schema: Schema) -> dict[str, Any]:
    """Return what a schema says of an object beside its fields."""
    beside = {"properties", "required", "$id", "$schema", "title"}
    return {key: value for key, value in schema.items() if key not in beside}


def _to_text(schema: Schema) -> str:
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
