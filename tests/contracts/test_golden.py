"""An event type only ever gains optional fields; golden schemas remember what it promised."""

import copy
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import pytest
from pydantic import BaseModel

from shared.contracts.event import Fact
from shared.contracts.registry import FACTS
from tenure.docgen import documents, golden
from tenure.docgen.facts import example_event

Schema = dict[str, Any]
GOLDENS = golden.read_goldens(documents.ROOT)
RISK = "io.tenure.health.risk_opened.v1"


def test_every_event_type_has_a_golden_schema() -> None:
    assert set(GOLDENS) == {fact.event_type for fact in FACTS}


def test_every_golden_promise_is_kept() -> None:
    assert golden.broken_promises(GOLDENS, FACTS) == []


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
def test_what_a_service_says_is_what_the_golden_schema_promises(fact: type[Fact]) -> None:
    schema = GOLDENS[fact.event_type]

    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(
        dict(example_event(fact).data), schema, format_checker=jsonschema.FormatChecker()
    )


def _remove_a_field(schema: Schema) -> None:
    del schema["properties"]["title"]
    schema["required"].remove("title")


def _require_a_new_field(schema: Schema) -> None:
    schema["properties"]["owner"] = {"type": "string"}
    schema["required"].append("owner")


def _require_an_old_field(schema: Schema) -> None:
    schema["required"].append("evidence")


def _no_longer_require_a_field(schema: Schema) -> None:
    schema["required"].remove("reason")


def _narrow_a_type(schema: Schema) -> None:
    schema["properties"]["severity"]["enum"] = ["low", "high"]


def _widen_a_type(schema: Schema) -> None:
    schema["properties"]["reason"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def _change_a_type(schema: Schema) -> None:
    schema["properties"]["caused_at"] = {"type": "integer"}


def _change_a_default(schema: Schema) -> None:
    schema["properties"]["evidence"]["default"] = {"ratio": 0}


def _refuse_unknown_fields(schema: Schema) -> None:
    schema["additionalProperties"] = False


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (_remove_a_field, "title is gone"),
        (_require_a_new_field, "owner is new and required"),
        (_require_an_old_field, "evidence was optional and is required"),
        (_no_longer_require_a_field, "reason was required and is optional"),
        (_narrow_a_type, "severity was"),
        (_widen_a_type, "reason was"),
        (_change_a_type, "caused_at was"),
        (_change_a_default, "evidence was"),
        (_refuse_unknown_fields, "data was"),
    ],
)
def test_a_planted_breaking_change_is_caught(break_it: Callable[[Schema], None], says: str) -> None:
    after = copy.deepcopy(GOLDENS[RISK])
    break_it(after)

    (found,) = golden.breaking_changes(GOLDENS[RISK], after)

    assert found.startswith(says)


def test_a_new_optional_field_is_welcome() -> None:
    after = copy.deepcopy(GOLDENS[RISK])
    after["properties"]["owner"] = {"type": "string", "default": ""}

    assert golden.breaking_changes(GOLDENS[RISK], after) == []


class _Seen(BaseModel):
    where: str
    note: str = ""


class _Before(Fact):
    """Something happened."""

    event_type: ClassVar[str] = "io.tenure.health.planted.v1"
    count: int
    day: date | None = None
    seen: _Seen


class _SeenMore(BaseModel):
    where: str
    note: str = ""
    by: str = ""


class _Grown(_Before):
    seen: _SeenMore  # type: ignore[assignment]  # the next release declares it anew
    owner: str | None = None


class _SeenElsewhere(BaseModel):
    where: int
    note: str = ""


class _Broken(_Before):
    count: float  # type: ignore[assignment]  # the next release declares it anew
    seen: _SeenElsewhere  # type: ignore[assignment]  # same


def test_a_class_that_grew_keeps_its_promises_and_one_that_changed_does_not() -> None:
    promised = {_Before.event_type: golden.golden_of(_Before)}

    assert golden.broken_promises(promised, [_Grown]) == []
    assert [
        problem.split(" was ")[0] for problem in golden.broken_promises(promised, [_Broken])
    ] == ["io.tenure.health.planted.v1: count", "io.tenure.health.planted.v1: seen.where"]


def test_a_released_type_cannot_disappear() -> None:
    gone = golden.broken_promises(GOLDENS, [fact for fact in FACTS if fact.event_type != RISK])

    assert gone == [f"{RISK}: the type is gone"]


def test_goldens_are_written_once_and_nothing_is_written_over_a_broken_promise(
    tmp_path: Path,
) -> None:
    assert len(documents.write_goldens(tmp_path)) == len(FACTS)
    assert documents.write_goldens(tmp_path) == []

    path = tmp_path / golden.FOLDER / f"{RISK}.json"
    released = path.read_text().replace('"severity"', '"gravity"')
    path.write_text(released)

    with pytest.raises(documents.BrokenPromise, match="gravity is gone"):
        documents.write_goldens(tmp_path)
    assert path.read_text() == released
