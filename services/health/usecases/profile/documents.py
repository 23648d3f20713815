"""Reading a profile as people write it: YAML or JSON text, to a document and what it means."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Profile
from services.health.domain.profile.reading import ProfileInvalid
from services.health.storage.profile.profiles import NewVersion
from services.health.usecases.files.places import Places
from services.health.usecases.files.yaml_text import read_yaml

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
    written, places = read_yaml(text, what="a mapping that begins with name: and version:")
    try:
        values = _extended(written, bases or {})
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


def summary_of(profile: Profile) -> Mapping[str, Any]:
    """Return what was read from a profile: every setting, with its default where none is written.

    Spans of time are ISO 8601 durations, severities run from 1, low, to 4, critical.
    """
    summary: Mapping[str, Any] = msgspec.to_builtins(profile, order="deterministic")
    return summary
