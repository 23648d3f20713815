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
from services.health.storage.profiles import NewVersion

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


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without aliases: a page of them can unfold to more than any memory holds."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse an alias; read everything else as usual."""
        if self.check_event(yaml.AliasEvent):
            raise ProfileInvalid("write the values out; YAML aliases (*name) are not read")
        return super().compose_node(parent, index)


def read_document(text: str) -> Document:
    """Read a profile from YAML or JSON. Raises `ProfileInvalid`, which says what to write."""
    if len(text) > LONGEST:
        raise ProfileInvalid(f"the document is longer than {LONGEST // 1024} KiB; shorten it")
    values = _plain(_load(text))
    return Document(text, values, parse_profile(values))


def _load(text: str) -> object:
    try:
        return yaml.load(text, _PlainLoader)  # noqa: S506 - it is a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ProfileInvalid(f"{where}this is not YAML: {error.problem}") from None
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
