"""The catalogue: what a file may say, and what is wrong with one that does not."""

from dataclasses import replace
from typing import Any

import pytest

from services.health.domain.profile.profile import Severity
from services.health.domain.profile.reading import SourceFile
from services.health.domain.signal.catalogue import Catalogue, SignalValueInvalid, rules_in_force
from services.health.domain.signal.parsing import SignalsInvalid, parse_catalogue
from services.health.usecases.files.files import load_catalogue
from tests.builders.health import default_document, default_profile

OWN = {
    "title": "Somebody asked to export all data",
    "meaning": "A user asked for a full export.",
    "direction": "bad",
    "half_life_days": 30,
    "severity": "high",
    "next_step": "Ask what they need it for.",
    "rules": {"export_asked": {"window_days": 30, "cool_down_days": 7}},
}


def own(**changes: Any) -> Catalogue:
    kept = {key: value for key, value in {**OWN, **changes}.items() if value is not ...}
    return parse_catalogue([a_file("own.yml", export_asked=kept)])


def a_file(name: str, **types: Any) -> SourceFile:
    return SourceFile(name, {"types": types}, lambda _path: None)


def a_shipped_file(name: str, **types: Any) -> SourceFile:
    return replace(a_file(name, **types), is_shipped=True)


def test_a_type_of_ones_own_brings_its_rule() -> None:
    rules = {rule.reason: rule for rule in rules_in_force(default_profile(), own())}
    rule = rules["export_asked"]
    assert (rule.signal, rule.severity, rule.count) == ("export_asked", Severity.HIGH, 1)
    assert (rule.title, rule.half_life_days) == (OWN["title"], 30)


def test_a_rule_of_the_profile_comes_before_that_of_the_catalogue() -> None:
    reasons = [rule.reason for rule in rules_in_force(default_profile(), load_catalogue())]
    assert len(reasons) == len(set(reasons))
    rule = {"payment_failed": {"signal": "payment_failed"}}
    types = {"export_asked": {**OWN, "rules": rule}, "payment_failed": OWN}
    rules = rules_in_force(default_profile(), parse_catalogue([a_file("own.yml", **types)]))
    assert [rule.reason for rule in rules].count("payment_failed") == 1


def test_a_file_of_ones_own_replaces_a_shipped_type_by_its_name() -> None:
    second = a_file("b.yml", export_asked={**OWN, "title": "Another"})
    found = parse_catalogue([a_shipped_file("a.yml", export_asked=OWN), second])
    assert found.types["export_asked"].title == "Another"


def test_two_files_of_ones_own_with_one_type_are_both_named() -> None:
    files = [a_file(name, export_asked=OWN) for name in ("a.yml", "b.yml")]
    with pytest.raises(SignalsInvalid, match=r"b\.yml: types\.export_asked: a\.yml has this type"):
        parse_catalogue(files)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"title": ...}, "types.export_asked.title: write a text"),
        ({"meaning": ""}, "types.export_asked.meaning: write a text"),
        ({"direction": "up"}, "types.export_asked.direction: write one of good, bad, neutral"),
        ({"half_life_days": ...}, "types.export_asked.half_life_days: write a number"),
        ({"half_life_days": 0}, "types.export_asked.half_life_days: write a number"),
        ({"severity": "awful"}, "types.export_asked.severity: write one of low"),
        ({"colour": "red"}, "types.export_asked.colour: unknown"),
        ({"value": {"from": 0}}, "types.export_asked.value: write from and to, or choices"),
        ({"value": {"from": 5, "to": 1, "meaning": "x"}}, "types.export_asked.value.to"),
        ({"value": {"from": 0, "to": 1}}, "types.export_asked.value.meaning: write a text"),
        ({"value": {"choices": {"a": "b"}, "meaning": "x"}}, "value.choices.a: write a number"),
        (
            {"value": {"from": 0, "to": 1, "meaning": "x", "whole": "yes"}},
            "value.whole: write true or false",
        ),
        ({"rules": {"r": {"count": 0}}}, "types.export_asked.rules.r.count"),
        ({"rules": {"r": {"worse_at": {"awful": 3}}}}, "rules.r.worse_at.awful: unknown"),
        (
            {"value": {"from": 0, "to": 1, "choices": {"a": 1}, "meaning": "x"}},
            "types.export_asked.value: write from and to, or choices",
        ),
        ({"from_usage": ["a*b"]}, "export_asked.from_usage: * stands at the end"),
        ({"from_usage": ["*"]}, "export_asked.from_usage: * stands at the end"),
        ({"also_called": "x"}, "types.export_asked.also_called: write a list"),
    ],
)
def test_a_mistake_is_named_with_its_file_its_path_and_what_to_write(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(SignalsInvalid) as caught:
        own(**changes)
    assert str(caught.value).startswith("own.yml: ")
    assert words in str(caught.value)


def test_all_mistakes_of_a_type_are_told_and_those_of_its_rules() -> None:
    mistakes = {"direction": "up", "meaning": 5, "colour": "red", "value": [1]}
    rules = {"export_asked": {"count": 0}, "other": {"window_days": -1}}
    with pytest.raises(SignalsInvalid) as caught:
        own(**mistakes, rules=rules)
    places = [line.split(": ")[1] for line in str(caught.value).splitlines()]
    at = "types.export_asked"
    assert sorted(places) == sorted(
        [f"{at}.{name}" for name in mistakes]
        + [f"{at}.rules.export_asked.count", f"{at}.rules.other.window_days"]
    )


def test_what_rules_take_over_is_told_once() -> None:
    with pytest.raises(SignalsInvalid) as caught:
        own(title=..., half_life_days=-1)
    assert len(str(caught.value).splitlines()) == 2


def test_two_types_of_one_name_are_refused() -> None:
    twice = a_file("own.yml", a={**OWN, "also_called": ["b"]}, b=OWN)
    with pytest.raises(SignalsInvalid, match="the name 'b' belongs to a already"):
        parse_catalogue([twice])


def test_a_rule_that_waits_for_what_nothing_is_called_is_refused() -> None:
    with pytest.raises(SignalsInvalid, match=r"rules\.export_asked: no type is called eksport"):
        own(rules={"export_asked": {"closed_by": ["eksport"]}})


def test_a_name_that_no_url_takes_is_refused() -> None:
    with pytest.raises(SignalsInvalid, match=r"types\.Foo Bar: write a name"):
        parse_catalogue([a_file("own.yml", **{"Foo Bar": OWN})])


def test_everything_the_default_profile_names_is_in_the_catalogue() -> None:
    catalogue, document = load_catalogue(), default_document()
    named = {
        name
        for reason, rule in document["signal_rules"].items()
        for name in (rule.get("signal", reason), *rule.get("closed_by", []))
    }
    named |= {
        name
        for dimension in document["dimensions"].values()
        for one in dimension["inputs"].values()
        for name in one.get("signals", {})
    }
    assert [name for name in sorted(named) if catalogue.find(name) is None] == []


@pytest.mark.parametrize("one", load_catalogue().types.values(), ids=lambda one: one.name)
def test_every_value_the_shipped_types_describe_is_taken_and_the_next_is_not(one: Any) -> None:
    if one.value is None:
        assert one.read(None) is None
        with pytest.raises(SignalValueInvalid):
            one.read(1)
        return
    assert (one.read(one.value.low), one.read(one.value.high)) == (one.value.low, one.value.high)
    for wrong in (one.value.low - 1, one.value.high + 1, "nothing of this kind"):
        with pytest.raises(SignalValueInvalid, match=one.name):
            one.read(wrong)
