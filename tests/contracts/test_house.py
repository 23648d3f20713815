"""House rules that a machine can check (2-architecture.md, "Twelve rules")."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("shared", "services", "tenure")
MOST_LINES = 300

LONG_FILES = {
    "shared/bus/consumer.py": "assignment, positions and back-pressure of one consumer: one story",
}
"""Files that may be longer, each with its reason."""

SHAPELESS = re.compile(r"(.*_)?(utils?|helpers?|models|service|managers?|misc)")
SHAPELESS_ALLOWED = {
    "shared/web/service.py": "the shape of a running service is what it is about",
}
"""File names that say nothing about what is inside, and those that do all the same."""

VAGUE_CLASS = re.compile(r"^\s*class (\w*(?:Manager|Helper|Utils?))\b", re.MULTILINE)
CLOCKS = re.compile(
    r"(?<![\w.])(datetime|date|time)"
    r"\.(now|today|utcnow|time|time_ns|monotonic|perf_counter)\s*\("
)
IGNORE = re.compile(r"#\s*(noqa|type: ignore)\b(: [A-Z0-9, ]+[0-9]|\[[^]]+\])?(?P<reason>.*)")


def _sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_files_stay_small() -> None:
    lines = {_name(path): len(path.read_text().splitlines()) for path in _sources(*PACKAGES)}
    long = {name: count for name, count in lines.items() if count > MOST_LINES}

    assert set(long) == set(LONG_FILES), f"too long, or excused for nothing: {long}"


def test_file_names_say_what_is_inside() -> None:
    shapeless = {_name(path) for path in _sources(*PACKAGES) if SHAPELESS.fullmatch(path.stem)}

    assert shapeless == set(SHAPELESS_ALLOWED)


def test_class_names_say_what_a_thing_is() -> None:
    vague = [
        f"{_name(path)}: {name}"
        for path in _sources(*PACKAGES)
        for name in VAGUE_CLASS.findall(path.read_text())
    ]

    assert vague == []


@pytest.mark.parametrize("path", sorted((ROOT / "services").glob("*/__init__.py")), ids=_name)
def test_a_service_says_what_it_owns_hears_and_says(path: Path) -> None:
    words = set(re.findall(r"\w+", (ast.get_docstring(ast.parse(path.read_text())) or "").lower()))

    assert {"owns", "hears", "says"} <= words


def test_nobody_reads_a_clock_in_the_domain() -> None:
    domains = [_name(path.parent) for path in (ROOT / "services").glob("*/domain/__init__.py")]
    readings = [
        f"{_name(path)}: {reading[0]}"
        for path in _sources(*domains)
        for reading in CLOCKS.finditer(path.read_text())
    ]

    assert len(domains) > 1
    assert readings == []


def test_every_ignore_carries_its_reason() -> None:
    bare = [
        f"{_name(path)}:{number}" for path in _sources(*PACKAGES) for number in _bare_ignores(path)
    ]

    assert bare == []


def _bare_ignores(path: Path) -> Iterator[int]:
    """Yield the lines with an ignore whose reason is neither beside it nor right above."""
    is_explained_above = False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = IGNORE.search(line)
        has_reason = found is not None and re.match(r"\s+[-#] ?\w", found["reason"]) is not None
        if found and not has_reason and not is_explained_above:
            yield number
        is_explained_above = has_reason or line.strip().startswith("#")
