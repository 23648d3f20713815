"""A mistake in a profile is named with its line and column, whatever it is."""

import pytest
import yaml

from services.health.domain.profile.reading import Place, ProfileInvalid, pointer
from services.health.usecases.files.places import Places
from services.health.usecases.profile.documents import read_document
from tests.builders.health import default_document

GOOD = """\
name: default
version: 90
bands: {at_risk_below: 50, watch_below: 75}
metrics:
  exports: {kind: count, events: [a, b]}
dimensions:
  usage:
    weight: 1
    inputs:
      usage_ratio:
        curve:
          - [0, 0]
          - [1, 1]
"""


def refused(text: str) -> ProfileInvalid:
    with pytest.raises(ProfileInvalid) as refusal:
        read_document(text, {"default": default_document()})
    return refusal.value


@pytest.mark.parametrize(
    ("written", "instead", "place", "path", "words"),
    [
        ("version: 90", "version: ninety", (2, 1), "version", "write a whole number"),
        ("version: 90", "version: 010", (2, 10), "", "write a plain decimal number"),
        ("version: 90", "version: 1:30", (2, 10), "", "write a plain decimal number"),
        ("version: 90", "version: 90\nno: 1", (3, 1), "", "write names as text"),
        ("version: 90", "version: 90\n7: 1", (3, 1), "", "write names as text"),
        ("version: 90", "version: 90\n<<: {a: 1}", (3, 1), "", "write names as text"),
        ("version: 90", "version: 90\nversion: 91", (3, 1), "", "written twice"),
        ("version: 90", "version: 90\nsilence: {dayz: 1}", (3, 11), "silence.dayz", "unknown"),
        ("version: 90", "version: 90\n\tsilence: 1", (3, 1), "", "not YAML"),
        ("version: 90", "version: 90\nx: \x07", (3, 4), "", "remove the character #x0007"),
        ("50,", "80,", (3, 28), "bands.watch_below", "write a number above"),
        ("50,", ".nan,", (3, 24), "", "write a number that is finite"),
        ("50,", "-.inf,", (3, 24), "", "write a number that is finite"),
        ("count,", "counts,", (5, 13), "metrics.exports.kind", "write one of"),
        ("[a, b]", "[a, '']", (5, 26), "metrics.exports.events", "write a list of names"),
        ("weight: 1", "weight: -1", (8, 5), "dimensions.usage.weight", "write a number from 0"),
        ("weight: 1", "weight: 0", (6, 1), "dimensions", "give at least one dimension a weight"),
        ("weight: 1", "weight: &w 1\n    x: *w", (9, 8), "", "YAML aliases"),
        ("weight: 1", "weight: 1\n    w: 1", (9, 5), "dimensions.usage.w", "unknown"),
        ("    weight: 1\n", "", (7, 3), "dimensions.usage.weight", "write a number"),
        ("- [0, 0]", "- [2, 0]", (11, 9), "dimensions.usage.inputs.usage_ratio.curve", "order the"),
        ("curve:", "weight: 0\n        curve:", (9, 5), "dimensions.usage.inputs", "name at least"),
    ],
)
def test_a_mistake_has_its_place(
    written: str, instead: str, place: tuple[int, int], path: str, words: str
) -> None:
    assert written in GOOD
    error = refused(GOOD.replace(written, instead))
    where = f"line {place[0]}, column {place[1]}: "
    assert error.detail.startswith(where), error.detail
    assert words in error.detail
    assert (error.context["line"], error.context["column"]) == place
    assert error.context["path"] == path
    [told] = error.context["errors"]
    assert (told["line"], told["column"], told["pointer"]) == (*place, pointer(path))
    assert where not in told["message"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "write a mapping that begins with name: and version:"),
        ("- a\n", "write a mapping that begins with name: and version:"),
        ("version: 1\n", "name: write a text, not None"),
        ("a: " + "x" * 70_000, "longer than 64 KiB"),
        ("- " * 20_000, "nest no more than 50"),
    ],
)
def test_what_is_no_place_in_the_text_has_none(text: str, words: str) -> None:
    error = refused(text)
    assert error.detail.startswith(words) or words in error.detail
    assert "line" not in error.context


def test_all_mistakes_are_told_at_once_in_the_order_of_the_text() -> None:
    text = (
        GOOD.replace("version: 90", "version: ninety")
        .replace("count,", "counts,")
        .replace("weight: 1", "weight: -1")
        .replace("- [0, 0]", "- [2, 0]")
    )
    error = refused(f"{text}typo: 1\n")
    paths = [
        "version",
        "metrics.exports.kind",
        "dimensions.usage.weight",
        "dimensions.usage.inputs.usage_ratio.curve",
        "typo",
    ]
    assert [told["pointer"] for told in error.context["errors"]] == [pointer(p) for p in paths]
    first, *lines = error.detail.split("\n")
    assert first == "5 mistakes:"
    assert [line.split(": ")[1] for line in lines] == paths
    assert error.context["path"] == "version"


def test_a_mistake_hides_no_other_and_makes_no_other() -> None:
    error = refused(GOOD.replace("weight: 1", "weight: one"))
    assert len(error.context["errors"]) == 1


def test_brackets_without_end_are_refused_where_they_are_too_deep() -> None:
    assert refused("a: " + "[" * 60).detail.startswith("line 1, column 54: nest no more than 50")


def test_a_mistake_that_extending_makes_is_placed_where_it_is_written() -> None:
    text = "name: ours\nversion: 1\nextends: default\napplies_to: {segments: [a]}\n"
    error = refused(text + "bands:\n  at_risk_below: 90\n")
    assert error.detail.startswith("line 5, column 1: bands.watch_below: write a number above")


def test_a_byte_order_mark_and_windows_lines_are_read() -> None:
    document = read_document("\ufeff" + GOOD.replace("\n", "\r\n"))
    assert document.profile.version == 90


def test_names_with_dots_are_found() -> None:
    places = Places(yaml.compose("a:\n  b.c:\n    - x: 1\n  b: 2\n"))
    assert places.find("a.b.c[0].x") == Place(3, 7)
    assert places.find("a.b") == Place(4, 3)
    assert places.find("a.b.c[7]") == Place(2, 3)
    assert places.find("nothing") is None
    assert str(Place(3, 7)) == "line 3, column 7"
