"""What the pages for people name exists: links, commands with their options, targets, settings."""

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import typer
from pydantic_settings import BaseSettings
from typer.main import get_group

from tenure.catalog import SERVICES
from tenure.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("README.md")]
)
GROUP = get_group(app)
# Read by the command, by compose or by the tests, not by a service.
OTHERS = {
    "TENURE_ADMIN_DATABASE_URL",
    "TENURE_DB_PASSWORD",
    "TENURE_HOME",
    "TENURE_IMAGE",
    "TENURE_TEST_STACK",
}
UP_TO_ITS_END = r"(?:\$ |^|`|\.venv/bin/)tenure ([a-z][^`\n]*)"


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def slug(heading: str) -> str:
    words = re.sub(r"[`*]|\[|\]\(.*?\)", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return {slug(heading) for heading in re.findall(r"(?m)^#+ (.+)$", text)}


def dead_links(page: Path) -> Iterator[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        if "://" in link or link.startswith("mailto:"):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(dead_links(page)) == []


def commands(page: Path) -> Iterator[list[str]]:
    """Return what is typed after ``tenure``, up to a pipe, a redirection or a comment."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(UP_TO_ITS_END, text, re.MULTILINE):
        said = re.split(r" [#>;&]| \| |\)|, ", line.replace("\\|", "|"))[0]
        first, *rest = shlex.split(said.replace("'", ""))
        *groups, choice = [first, *rest[:1]] if rest and "|" in rest[0] else [first]
        for one in choice.split("|"):
            yield [*groups, one, *rest[len(groups) :]]


def unknown(words: list[str]) -> str:
    """Return what of a command does not exist; empty when all of it does."""
    command, context = GROUP, typer.Context(GROUP)
    for place, word in enumerate(words):
        if not hasattr(command, "commands"):
            named = (one.opts + one.secondary_opts for one in command.params)
            options = {"--help"}.union(*named)
            return " ".join(w for w in words[place:] if w.startswith("--") and w not in options)
        if word.startswith("-"):
            return ""
        if command.get_command(context, word) is None:
            return word
        _, command, _ = command.resolve_command(context, [word])
    return ""


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_exists_with_its_options(page: Path) -> None:
    assert {" ".join(words): bad for words in commands(page) if (bad := unknown(words))} == {}


def test_a_command_that_does_not_exist_would_be_found() -> None:
    assert unknown(["keys", "make"]) == "make"
    assert unknown(["health", "explain", "acme", "--until", "now"]) == "--until"
    assert unknown(["health", "explain", "acme", "--since", "tuesday"]) == ""


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_target_of_make_exists(page: Path) -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
    text = page.read_text(encoding="utf-8")
    said = re.findall(r"(?:`|^ {0,4})make ([a-z][a-z-]+)", text, re.MULTILINE)
    assert set(said) <= targets


def settings() -> set[str]:
    """Return the variables that the services read."""
    for service in SERVICES.values():
        import_module(f"services.{service.name}.main")

    def below(kind: type[BaseSettings]) -> Iterator[type[BaseSettings]]:
        yield kind
        for one in kind.__subclasses__():
            yield from below(one)

    ours = [
        one for one in below(BaseSettings) if one.__module__.startswith(("services.", "shared"))
    ]
    return {
        f"{one.model_config['env_prefix']}{field}".upper()
        for one in ours
        for field in one.model_fields
    }


def test_every_setting_is_documented() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert {name for name in settings() if f"`{name}`" not in page} == set()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_setting_that_is_documented_exists(page: Path) -> None:
    said = re.findall(r"\bTENURE_[A-Z_]*[A-Z]\b(?!_)", page.read_text(encoding="utf-8"))
    assert set(said) - settings() - OTHERS == set()
