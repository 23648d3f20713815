"""The generated documents are current, valid and the same on every machine."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator
from referencing import Registry

from shared.bus.topics import SIGNALS_TOPIC, USAGE_TOPIC, read_topics
from shared.contracts.registry import FACTS, PUBLISHERS, topic_of
from tenure.catalog import SERVICES
from tenure.docgen import __main__ as command
from tenure.docgen import asyncapi, documents, events_page, readme
from tenure.docgen.facts import UnknownField, entry_of, listeners_by_service
from tests.contracts.test_golden import _Before as Undescribed

RISK_GOLDEN = "tests/contracts/golden/io.tenure.health.risk_opened.v1.json"
SCHEMA = Path(__file__).parent / "vendor" / "asyncapi-3.0.0.json"


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    # An empty registry cannot fetch: whatever the schema refers to is inside it.
    return Draft7Validator(json.loads(SCHEMA.read_text()), registry=Registry())


def test_the_documents_are_current() -> None:
    assert documents.stale() == []


def test_the_documents_are_the_same_whatever_the_environment() -> None:
    program = (
        "import json; from tenure.docgen import documents; print(json.dumps(documents.generated()))"
    )
    surroundings = {"PYTHONHASHSEED": "7", "TENURE_ENVIRONMENT": "production", "TZ": "Asia/Tokyo"}

    elsewhere = subprocess.run(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-c", program],
        env=os.environ | surroundings,
        cwd=documents.ROOT,
        capture_output=True,
        check=True,
        text=True,
    )

    assert json.loads(elsewhere.stdout) == documents.generated()


def test_the_check_names_each_stale_file_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    documents.write(tmp_path)
    documents.write_goldens(tmp_path)
    assert documents.stale(tmp_path) == []
    (tmp_path / "docs" / "events.md").write_text("old")
    (tmp_path / "docs" / "openapi" / "gone.json").write_text("{}")
    (tmp_path / RISK_GOLDEN).unlink()
    stale = documents.stale(tmp_path)
    monkeypatch.setattr(documents, "stale", lambda: stale)

    assert command.main(["--check"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "docs/events.md: stale; run `python -m tenure.docgen`",
        "docs/openapi/gone.json: no such service",
        f"{RISK_GOLDEN}: stale; run `python -m tenure.docgen --golden`",
    ]


def test_a_readme_without_a_place_for_the_table_is_reported(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Tenure\n")

    (problem,) = documents.stale(tmp_path)

    assert problem.startswith("README.md: put <!-- events:begin -->")


def test_the_readme_keeps_what_is_around_the_table() -> None:
    text = f"# Ours\n{readme.BEGIN}\nold\n{readme.END}\nRest.\n"

    rendered = readme.render(text)

    assert rendered.startswith(f"# Ours\n{readme.BEGIN}\n| Event |")
    assert rendered.endswith(f"{readme.END}\nRest.\n")
    assert readme.render(rendered) == rendered


def test_the_asyncapi_document_is_valid(validator: Draft7Validator) -> None:
    document = yaml.safe_load((documents.ROOT / "docs" / "asyncapi.yaml").read_text())

    assert [error.message for error in validator.iter_errors(document)] == []
    assert document["asyncapi"] == "3.0.0"


def test_the_asyncapi_schema_would_find_a_mistake(validator: Draft7Validator) -> None:
    document = asyncapi.document()
    document["operations"]["health_says"]["action"] = "shout"

    assert [list(error.path) for error in validator.iter_errors(document)] == [
        ["operations", "health_says"]
    ]


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi.document()
    references = re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))

    for reference in references:
        found = document
        for step in reference.split("/"):
            found = found[step]
    assert len(references) > len(FACTS)


def test_the_asyncapi_document_says_what_listeners_hear() -> None:
    operations = asyncapi.document()["operations"]

    for service, listeners in listeners_by_service().items():
        for listener in listeners:
            publisher, name = listener.fact.event_type.split(".")[2:4]
            heard = operations[f"{service}_hears_{publisher}"]["messages"]
            assert {"$ref": f"#/channels/{publisher}/messages/{name}"} in heard


def test_there_is_a_topic_and_a_dead_letter_topic_for_every_publisher() -> None:
    wanted = {*(topic_of(publisher) for publisher in PUBLISHERS), USAGE_TOPIC, SIGNALS_TOPIC}

    assert {topic.name for topic in read_topics()} == wanted | {f"{name}.dlq" for name in wanted}
    assert set(PUBLISHERS) == set(SERVICES)


def test_a_field_that_nobody_explains_cannot_be_documented() -> None:
    with pytest.raises(UnknownField, match=r"_Before\.count"):
        entry_of(Undescribed, {})


def test_every_operation_of_the_http_apis_has_an_id_and_its_problems() -> None:
    for name in SERVICES:
        paths = json.loads((documents.ROOT / f"docs/openapi/{name}.json").read_text())["paths"]
        operations = [each for path in paths.values() for each in path.values()]
        ids = [operation["operationId"] for operation in operations]

        assert len(set(ids)) == len(ids) > 0
        assert all(each.startswith(f"{name}_") for each in ids)
        assert all("default" in operation["responses"] for operation in operations)


def test_the_python_examples_of_the_page_compile() -> None:
    blocks = re.findall(r"```python\n(.*?)```", events_page.render(), re.DOTALL)

    assert len(blocks) == 2
    for block in blocks:
        compile(block, "docs/events.md", "exec")
