"""The examples of docs/signals.md are what they say they are."""

import re
from pathlib import Path

import pytest
import yaml

from services.health.domain.signal.catalogue import rules_in_force
from services.health.domain.signal.parsing import SignalsInvalid
from services.health.domain.signal.reading_mapping import MappingInvalid
from services.health.domain.signal.signature import SchemeKind
from services.health.usecases.files.files import load_catalogue, load_mappings
from tests.builders.health import default_profile

PAGE = (Path(__file__).parents[2] / "docs" / "signals.md").read_text(encoding="utf-8")


def blocks() -> list[str]:
    found = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    return [re.sub(r"(?m)^   ", "", block) if block[0] == " " else block for block in found]


def example(having: str) -> str:
    (found,) = (block for block in blocks() if having in block)
    return found


def test_the_example_of_a_signal_of_ones_own_is_a_catalogue_with_a_rule(tmp_path: Path) -> None:
    path = tmp_path / "signals.yml"
    path.write_text(example("export_asked"))
    catalogue = load_catalogue(path)
    assert "export_asked" in {rule.reason for rule in rules_in_force(default_profile(), catalogue)}
    assert load_catalogue(tmp_path).types.keys() == catalogue.types.keys()


def test_the_example_of_a_mapping_is_one(tmp_path: Path) -> None:
    (tmp_path / "desk.yml").write_text(example("source: desk"))
    found = load_mappings(tmp_path)
    assert sorted(found) == ["desk", "stripe"]
    assert found["desk"].scheme.kind is SchemeKind.TOKEN
    assert sorted(found["desk"].events) == ["ticket.escalated", "ticket.opened", "ticket.rated"]


@pytest.mark.parametrize("sender", ["GitHub", "Intercom", "Shopify", "Zendesk"])
def test_the_scheme_of_a_known_sender_is_one(tmp_path: Path, sender: str) -> None:
    said = yaml.safe_load(example(f"# {sender}"))
    whole = {**yaml.safe_load(example("source: desk")), "source": sender.lower(), **said}
    (tmp_path / "sender.yml").write_text(yaml.safe_dump(whole))
    found = load_mappings(tmp_path)["sender"]
    assert found.scheme.kind is SchemeKind.HMAC
    assert found.event.type == whole["event"]["type"]


def test_every_shipped_type_is_on_the_page() -> None:
    missing = [name for name in load_catalogue().types if f"`{name}`" not in PAGE]
    assert missing == []


@pytest.mark.parametrize("text", ["types: [", "- a list", "\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.yml"
    path.write_text(text)
    with pytest.raises(Exception, match=r"broken\.yml: "):
        load_catalogue(path)


def test_every_mistake_of_a_file_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "signals.yml"
    path.write_text(
        "types:\n"
        "  a: {title: A, meaning: A, direction: bad, half_life_days: 3,\n"
        "      severity: worst, colour: red}\n"
        "  b: {title: B, direction: bad, half_life_days: 3,\n"
        "      meaning: 7}\n"
    )
    with pytest.raises(SignalsInvalid) as caught:
        load_catalogue(path)
    assert [line.split(": ")[:3] for line in str(caught.value).splitlines()] == [
        ["signals.yml", "line 3, column 7", "types.a.severity"],
        ["signals.yml", "line 3, column 24", "types.a.colour"],
        ["signals.yml", "line 5, column 7", "types.b.meaning"],
    ]


def test_every_mistake_of_a_mapping_has_its_line(tmp_path: Path) -> None:
    lines = example("source: desk").splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("events:"))
    (tmp_path / "desk.yml").write_text(
        "\n".join(["colour: red", *lines[:at], "events:", "  x: {signal: mood}"])
        + "\n  y: {signal: csat_answered, value: s, when: {a.b: {over: 1}}}\n"
    )
    with pytest.raises(MappingInvalid) as caught:
        load_mappings(tmp_path)
    assert [line.split(": ")[1:3] for line in str(caught.value).splitlines()] == [
        ["line 1, column 1", "colour"],
        [f"line {at + 3}, column 7", "events.x.signal"],
        [f"line {at + 4}, column 53", "events.y.when.a.b.over"],
    ]


def test_two_files_of_one_mapping_are_both_named(tmp_path: Path) -> None:
    for name in ("desk.yml", "desk.yaml"):
        (tmp_path / name).write_text(example("source: desk"))
    with pytest.raises(MappingInvalid, match=r"desk\.yaml and desk\.yml are one mapping"):
        load_mappings(tmp_path)


def test_every_yaml_example_is_yaml() -> None:
    assert all(yaml.safe_load(block) for block in blocks())
