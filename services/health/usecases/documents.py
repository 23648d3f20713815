"""Reading a profile as people write it: YAML or JSON text, to a document and what it means."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import yaml

from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Profile
from services.health.domain.profile.reading import ProfileInvalid
from services.health.settings import KeyWrittenTwice, UniqueKeyLoader
from services.health.storage.profiles import NewVersion

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


class _PlainLoader(UniqueKeyLoader):
    """YAML without aliases: a page of them can unfold to more than any memory holds."""

    def fetch_flow_collection_start(self, token: Any) -> None:
        """Refuse brackets in brackets without end: each costs time for all that are open."""
        if self.flow_level >= _DEEPEST:
            raise ProfileInvalid(f"nest no more than {_DEEPEST} brackets in one another")
        super().fetch_flow_collection_start(token)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse an alias; read everything else as usual."""
        if self.check_event(yaml.AliasEvent):
            raise ProfileInvalid("write the values out; YAML aliases (*name) are not read")
        return super().compose_node(parent, index)


Bases = Mapping[str, Mapping[str, Any]]
"""Documents by name, which others may extend."""


def read_document(text: str, bases: Bases | None = None) -> Document:
    """Read a profile from YAML or JSON. Raises `ProfileInvalid`, which says what to write.

    ``extends: default`` takes everything it does not say from that one of the bases. What is
    stored is the whole: a later version of the base changes nothing.
    """
    if len(text) > LONGEST:
        raise ProfileInvalid(f"the document is longer than {LONGEST // 1024} KiB; shorten it")
    values = _extended(_plain(_load(text)), bases or {})
    return Document(text, values, parse_profile(values))


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


def _load(text: str) -> object:
    try:
        return yaml.load(text, _PlainLoader)  # noqa: S506 - it is a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        what = "" if isinstance(error, KeyWrittenTwice) else "this is not YAML: "
        raise ProfileInvalid(f"{where}{what}{error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ProfileInvalid(f"this is not YAML: {error}") from None


def _plain(value: object) -> Mapping[str, Any]:
    """Return the mapping as JSON has it, which is how it is stored."""
    if not isinstance(value, Mapping):
        raise ProfileInvalid("write a mapping that begins with name: and version:")
    try:
        return msgspec.json.decode(msgspec.json.encode(value), type=dict[str, Any])
    except (TypeError, ValueError, RecursionError, OverflowError, msgspec.MsgspecError) as error:
        raise ProfileInvalid(f"this cannot be kept as JSON: {error}") from None


def summary_of(profile: Profile) -> Mapping[str, Any]:
    """Return what was read from a profile: every setting, with its default where none is written.

    Spans of time are ISO 8601 durations, severities run from 1, low, to 4, critical.
    """
    summary: Mapping[str, Any] = msgspec.to_builtins(profile, order="deterministic")
    return summary
