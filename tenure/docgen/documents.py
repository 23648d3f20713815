"""All generated documents: write them, or tell which are stale."""

from pathlib import Path

from shared.contracts.registry import FACTS
from shared.kernel.errors import Conflict
from tenure.docgen import asyncapi, events_page, golden, openapi, readme

ROOT = Path(__file__).parents[2]


class BrokenPromise(Conflict):
    """An event type no longer keeps what its golden schema promises."""


def generated(root: Path = ROOT) -> dict[str, str]:
    """Return every generated document by path. Raises `NoMarkers`."""
    page = root / "README.md"
    return {
        "README.md": readme.render(page.read_text() if page.exists() else None),
        "docs/asyncapi.yaml": asyncapi.render(),
        "docs/events.md": events_page.render(),
        **openapi.files(),
    }


def stale(root: Path = ROOT) -> list[str]:
    """Return what is not current, each with what to do about it."""
    try:
        documents = generated(root)
    except readme.NoMarkers as error:
        return [error.detail]
    run = "run `python -m tenure.docgen"
    return [
        *(f"{path}: stale; {run}`" for path in _differing(root, documents)),
        *(f"docs/openapi/{name}: no such service" for name in _leftovers(root, documents)),
        *(f"{path}: stale; {run} --golden`" for path in _differing(root, golden.files(FACTS))),
        *golden.broken_promises(golden.read_goldens(root), FACTS),
    ]


def write(root: Path = ROOT) -> list[str]:
    """Write what is stale; return the paths. Raises `NoMarkers`."""
    return _write(root, generated(root))


def write_goldens(root: Path = ROOT) -> list[str]:
    """Add what event types gained to the golden files. Raises `BrokenPromise`, writing nothing."""
    broken = golden.broken_promises(golden.read_goldens(root), FACTS)
    if broken:
        raise BrokenPromise(
            "\n".join([*broken, "Only optional fields can be added; declare a new version."])
        )
    return _write(root, golden.files(FACTS))


def _write(root: Path, documents: dict[str, str]) -> list[str]:
    written = _differing(root, documents)
    for path in written:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(documents[path])
    return written


def _differing(root: Path, documents: dict[str, str]) -> list[str]:
    return [
        path
        for path, text in documents.items()
        if not (root / path).exists() or (root / path).read_text() != text
    ]


def _leftovers(root: Path, documents: dict[str, str]) -> list[str]:
    found = sorted((root / "docs" / "openapi").glob("*.json"))
    return [path.name for path in found if f"docs/openapi/{path.name}" not in documents]
