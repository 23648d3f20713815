"""Reading YAML that people write: every mistake has its place and says what to write."""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any

import msgspec
import yaml

from services.health.domain.profile.reading import Place, ProfileInvalid
from services.health.usecases.files.places import Places, place_of

_DEEPEST = 50
"""Levels of lists in brackets; the shipped profiles have three."""

_TOO_DEEP = f"nest no more than {_DEEPEST} lists or mappings in one another"


class _Unread(yaml.MarkedYAMLError):
    """YAML that is right and not read, because it would not mean what it looks like."""


class _PlainLoader(yaml.SafeLoader):
    """YAML that means what it looks like.

    No key twice: YAML would keep the last and silently drop the first.
    """

    reads_aliases = False

    def fetch_flow_collection_start(self, token: Any) -> None:
        """Refuse brackets in brackets without end: each costs time for all that are open."""
        if self.flow_level >= _DEEPEST:
            raise _Unread(problem=_TOO_DEEP, problem_mark=self.get_mark())
        super().fetch_flow_collection_start(token)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse an alias: a page of them can unfold to more than any memory holds."""
        if not self.reads_aliases and self.check_event(yaml.AliasEvent):
            alias = self.peek_event()  # type: ignore[no-untyped-call]  # its stub has no types
            problem = "write the values out; YAML aliases (*name) are not read"
            raise _Unread(problem=problem, problem_mark=alias.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - the signature is PyYAML's
        """Refuse names that YAML takes for something else, such as ``no``, ``on`` and ``12``."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                problem = f"{key.value} is written twice; keep one, or give one another name"
                raise _Unread(problem=problem, problem_mark=key.start_mark)
            seen.add(str(key.value))
            if key.tag != "tag:yaml.org,2002:str":
                problem = f"write names as text, in quotes where need be, not {key.value!r}"
                raise _Unread(problem=problem, problem_mark=key.start_mark)
        return super().construct_mapping(node, deep)


class _TrustingLoader(_PlainLoader):
    """Reads aliases as well: the file is the company's own."""

    reads_aliases = True


def _float(loader: _PlainLoader, node: yaml.ScalarNode) -> float:
    value = loader.construct_yaml_float(node)
    if not isfinite(value):
        raise _Unread(problem="write a number that is finite", problem_mark=node.start_mark)
    return float(value)


def _whole(loader: _PlainLoader, node: yaml.ScalarNode) -> int:
    if _OLD_NUMBER.search(node.value):
        problem = f"write a plain decimal number: YAML does not read {node.value} as one"
        raise _Unread(problem=problem, problem_mark=node.start_mark)
    return int(loader.construct_yaml_int(node))


_OLD_NUMBER = re.compile(r"^[-+]?0[0-7_]+$|:")
"""Octal numbers and those with base 60, both of YAML 1.1: 010 would be 8, 1:30 would be 90."""

_PlainLoader.add_constructor("tag:yaml.org,2002:float", _float)
_PlainLoader.add_constructor("tag:yaml.org,2002:int", _whole)


def read_yaml(text: str, *, what: str, is_own: bool = False) -> tuple[Mapping[str, Any], Places]:
    """Return the mapping that a text says, as JSON has it, and where its parts stand.

    ``what`` the text should be is said when it is no mapping. ``is_own``: it is a file of whoever
    runs the service, and may have aliases. Raises `ProfileInvalid`.
    """
    written, places = _load(text, _TrustingLoader if is_own else _PlainLoader)
    if not isinstance(written, Mapping):
        raise ProfileInvalid(f"write {what}", path="")
    try:
        encoded = msgspec.json.encode(written)
        return msgspec.json.decode(encoded, type=dict[str, Any]), places
    except (TypeError, ValueError, RecursionError, OverflowError, msgspec.MsgspecError) as error:
        raise ProfileInvalid(f"this cannot be kept as JSON: {error}", path="") from None


def _load(text: str, kind: type[_PlainLoader]) -> tuple[object, Places]:
    """Return what a text says, and where."""
    try:
        loader = kind(text)
        node = loader.get_single_node()
        return loader.construct_document(node) if node else None, Places(node)
    except yaml.MarkedYAMLError as error:
        place = place_of(error.problem_mark) if error.problem_mark else None
        what = "" if isinstance(error, _Unread) else "this is not YAML: "
        raise ProfileInvalid(f"{what}{error.problem}", path="", place=place) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = Place(before.count("\n") + 1, error.position - before.rfind("\n"))
        message = f"remove the character #x{ord(text[error.position]):04x}; YAML is printable text"
        raise ProfileInvalid(message, path="", place=place) from None
    except RecursionError:
        raise ProfileInvalid(_TOO_DEEP, path="") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ProfileInvalid(f"this is not YAML: {error}", path="") from None
