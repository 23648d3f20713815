"""Reading a profile as people write it: YAML or JSON text, to a document and what it means."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any

import msgspec
import yaml

from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Profile
from services.health.domain.profile.reading import Place, ProfileInvalid
from services.health.settings import KeyWrittenTwice, UniqueKeyLoader
from services.health.storage.profiles import NewVersion
from services.health.usecases.places import Places, place_of

_OWN = frozenset({"name", "version", "applies_to"})
"""What every profile says for itself."""

LONGEST = 64 * 1024
"""Characters; the shipped ones have about 5,000. Reading YAML takes its time."""


@dataclass(frozen=True)
class Document:
    """A profile that was read: the text as it was written, the mapping, and the profile."""

    source: str
    values: Mapping[str, Any]
    profile: Profile
    places: Places

    @cached_property
    def checksum(self) -> str:
        """A hash of what it says, not of how it is written: comments do not count."""
        canonical = msgspec.json.encode(self.values, order="deterministic")
        return hashlib.sha256(canonical).hexdigest()

    def by(self, who: str) -> NewVersion:
        """Return it as a version to store."""
        profile = self.profile
        return NewVersion(
            profile.name, profile.version, self.values, self.source, self.checksum, who
        )


_DEEPEST = 50
"""Levels of lists in brackets; the shipped profiles have three."""

_TOO_DEEP = f"nest no more than {_DEEPEST} lists or mappings in one another"


class _Unread(yaml.MarkedYAMLError):
    """YAML that is right and not read, because it would not mean what it looks like."""


class _PlainLoader(UniqueKeyLoader):
    """YAML that means what it looks like.

    Without aliases: a page of them can unfold to more than any memory holds.
    """

    def fetch_flow_collection_start(self, token: Any) -> None:
        """Refuse brackets in brackets without end: each costs time for all that are open."""
        if self.flow_level >= _DEEPEST:
            raise _Unread(problem=_TOO_DEEP, problem_mark=self.get_mark())
        super().fetch_flow_collection_start(token)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse an alias; read everything else as usual."""
        if self.check_event(yaml.AliasEvent):
            alias = self.peek_event()  # type: ignore[no-untyped-call]  # its stub has no types
            problem = "write the values out; YAML aliases (*name) are not read"
            raise _Unread(problem=problem, problem_mark=alias.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - the signature is PyYAML's
        """Refuse names that YAML takes for something else, such as ``no``, ``on`` and ``12``."""
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                problem = f"write names as text, in quotes where need be, not {key.value!r}"
                raise _Unread(problem=problem, problem_mark=key.start_mark)
        return super().construct_mapping(node, deep)


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


Bases = Mapping[str, Mapping[str, Any]]
"""Documents by name, which others may extend."""


def read_document(text: str, bases: Bases | None = None) -> Document:
    """Read a profile from YAML or JSON. Raises `ProfileInvalid`, which says what to write.

    ``extends: default`` takes everything it does not say from that one of the bases. What is
    stored is the whole: a later version of the base changes nothing.
    """
    if len(text) > LONGEST:
        raise ProfileInvalid(
            f"the document is longer than {LONGEST // 1024} KiB; shorten it", path=""
        )
    written, places = _load(text)
    try:
        values = _extended(_plain(written), bases or {})
        return Document(text, values, parse_profile(values), places)
    except ProfileInvalid as error:
        raise error.placed(places.find) from None


def _extended(values: Mapping[str, Any], bases: Bases) -> Mapping[str, Any]:
    if "extends" not in values:
        return values
    base = values["extends"]
    if not isinstance(base, str) or base not in bases:
        known = ", ".join(sorted(bases)) or "none"
        raise ProfileInvalid(
            f"extends: write the name of an active profile ({known}), not {base!r}"
        )
    own = {key: value for key, value in values.items() if key != "extends"}
    inherited = {k: v for k, v in bases[base].items() if k not in _OWN}
    return _laid_over(inherited, own)


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> Mapping[str, Any]:
    """Lay one mapping over another: mappings in them likewise, null takes a key away."""
    merged = dict(below)
    for key, value in above.items():
        under = below.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(under, dict):
            merged[key] = _laid_over(under, value)
        else:
            merged[key] = value
    return merged


def _load(text: str) -> tuple[object, Places]:
    """Return what a text says, and where."""
    try:
        loader = _PlainLoader(text)
        node = loader.get_single_node()
        return loader.construct_document(node) if node else None, Places(node)
    except yaml.MarkedYAMLError as error:
        place = place_of(error.problem_mark) if error.problem_mark else None
        what = "" if isinstance(error, KeyWrittenTwice | _Unread) else "this is not YAML: "
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


def _plain(value: object) -> Mapping[str, Any]:
    """Return the mapping as JSON has it, which is how it is stored."""
    if not isinstance(value, Mapping):
        raise ProfileInvalid("write a mapping that begins with name: and version:", path="")
    try:
        return msgspec.json.decode(msgspec.json.encode(value), type=dict[str, Any])
    except (TypeError, ValueError, RecursionError, OverflowError, msgspec.MsgspecError) as error:
        raise ProfileInvalid(f"this cannot be kept as JSON: {error}", path="") from None


def summary_of(profile: Profile) -> Mapping[str, Any]:
    """Return what was read from a profile: every setting, with its default where none is written.

    Spans of time are ISO 8601 durations, severities run from 1, low, to 4, critical.
    """
    summary: Mapping[str, Any] = msgspec.to_builtins(profile, order="deterministic")
    return summary
