"""Where the parts of a YAML text stand, so that a mistake can be found with a finger."""

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from services.health.domain.profile.reading import Place


@dataclass(frozen=True, slots=True)
class Places:
    """The places of a document's keys and list items, by paths such as ``metrics.x.events[0]``."""

    root: yaml.Node | None

    def find(self, path: str) -> Place | None:
        """Return where a path stands in the text, or the nearest part of it that is written.

        None when not even its beginning is: what is missing altogether has no place.
        """
        node, rest, found = self.root, path, None
        while rest and node is not None:
            step = _step(node, rest)
            if step is None:
                break
            mark, node, rest = step
            found = place_of(mark)
        return found


def place_of(mark: yaml.Mark) -> Place:
    """Return a mark, which counts from 0, as people count."""
    return Place(mark.line + 1, mark.column + 1)


def _step(node: yaml.Node, path: str) -> tuple[yaml.Mark, yaml.Node, str] | None:
    """Return the mark and node of the next part of a path, and the rest of the path.

    Names may hold dots: of the parts that fit, the longest is meant.
    """
    parts = [part for part in _parts(node) if _begins(path, part[0])]
    if not parts:
        return None
    name, mark, below = max(parts, key=lambda part: len(part[0]))
    return mark, below, path[len(name) :].removeprefix(".")


def _parts(node: yaml.Node) -> Iterator[tuple[str, yaml.Mark, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), key.start_mark, value
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield f"[{number}]", item.start_mark, item


def _begins(path: str, name: str) -> bool:
    return path.startswith(name) and path[len(name) : len(name) + 1] in {"", ".", "["}
