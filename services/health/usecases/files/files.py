"""The files that come with health, and those of the company: profiles, signals and mappings."""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import yaml

from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Profile
from services.health.domain.profile.reading import ProfileInvalid, SourceFile, refusal_of
from services.health.domain.signal.catalogue import Catalogue
from services.health.domain.signal.mapping import SenderMapping
from services.health.domain.signal.parsing import SignalsInvalid, parse_catalogue
from services.health.domain.signal.reading_mapping import MappingInvalid, parse_mapping
from services.health.settings import SignalSettings
from services.health.usecases.files.yaml_text import read_yaml

_ROOT = Path(__file__).parents[2]
_PROFILES = _ROOT / "profiles"
_SIGNALS = _ROOT / "catalogue"
_MAPPINGS = _ROOT / "mappings"


@cache
def load_profile(name: str = "default") -> Profile:
    """Read a shipped profile. Raises `ProfileInvalid`, which says what to change in the file."""
    return parse_profile(yaml.safe_load((_PROFILES / f"{name}.yml").read_text()))


@cache
def shipped_profiles() -> Mapping[str, str]:
    """Return the text of each shipped profile, by its name."""
    return {path.stem: path.read_text() for path in sorted(_PROFILES.glob("*.yml"))}


@cache
def load_catalogue(own: Path | None = None) -> Catalogue:
    """Read the shipped types of signals and the company's own.

    ``own``: a file or a folder; default is what the settings name. Raises `SignalsInvalid`, which
    says what to change where in which file.
    """
    files = [*sorted(_SIGNALS.glob("*.yml")), *_files(own or SignalSettings().signals)]
    return parse_catalogue(_read(path, SignalsInvalid) for path in files)


@cache
def load_mappings(own: Path | None = None) -> Mapping[str, SenderMapping]:
    """Read the shipped mappings of webhooks and the company's own, by name.

    Raises `MappingInvalid`, which says what to change where in which file.
    """
    owned = _files(own or SignalSettings().mappings)
    _refuse_rivals(owned)
    files = [*sorted(_MAPPINGS.glob("*.yml")), *owned]
    return {
        path.stem: parse_mapping(path.stem, _read(path, MappingInvalid), load_catalogue())
        for path in files
    }


def _refuse_rivals(paths: Sequence[Path]) -> None:
    """Refuse two files of one name, such as desk.yml and desk.yaml: one would be lost."""
    for one, other in pairwise(sorted(paths)):
        if one.stem == other.stem:
            raise MappingInvalid(f"{one.name} and {other.name} are one mapping; keep one of them")


def _files(place: Path | None) -> list[Path]:
    if place is None:
        return []
    return sorted([*place.glob("*.yml"), *place.glob("*.yaml")]) if place.is_dir() else [place]


def _read(path: Path, refusal: type[SignalsInvalid | MappingInvalid]) -> SourceFile:
    try:
        text = path.read_text(encoding="utf-8")
        values, places = read_yaml(text, what="a mapping of names to values", is_own=True)
    except (OSError, UnicodeDecodeError) as error:
        raise refusal(f"{path.name}: cannot be read: {error}") from None
    except ProfileInvalid as error:
        raise refusal_of(refusal, path.name, error) from None
    return SourceFile(path.name, values, places.find, is_shipped=_ROOT in path.parents)
