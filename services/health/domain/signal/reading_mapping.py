"""From the mapping of a mapping file to a `SenderMapping`, or to what to change in the file."""

from typing import Any

from services.health.domain.profile.reading import ProfileInvalid, Section
from services.health.domain.signal.catalogue import Catalogue
from services.health.domain.signal.mapping import (
    AccountPath,
    Condition,
    Meaning,
    SenderMapping,
)
from services.health.domain.signal.signature import Scheme, SchemeKind
from shared.kernel.errors import Invalid


class MappingInvalid(Invalid):
    """The mapping of a webhook cannot be used as written."""


def parse_mapping(name: str, document: dict[str, Any], catalogue: Catalogue) -> SenderMapping:
    """Build a mapping from the mapping of its file.

    Raises `MappingInvalid`, which names the file, the path of the first mistake and what to write.
    """
    try:
        return _mapping(name, Section.of("", document), catalogue)
    except ProfileInvalid as error:
        raise MappingInvalid(f"{name}.yml: {error.detail}") from None


def _mapping(name: str, top: Section, catalogue: Catalogue) -> SenderMapping:
    top.only("source", "signature", "event", "accounts", "events")
    event = top.section("event").only("id", "type", "time")
    return SenderMapping(
        name=name,
        source=top.text("source", name),
        scheme=_scheme(top.section("signature")),
        id_at=event.text("id"),
        type_at=event.text("type"),
        time_at=event.text("time") if event.has("time") else None,
        accounts=tuple(_account(one) for one in _list(top, "accounts")),
        events={
            key: tuple(_meaning(one, catalogue) for one in _list(top.section("events"), key))
            for key in top.section("events").values
        },
    )


def _scheme(section: Section) -> Scheme:
    section.only("scheme", "header", "tolerance_seconds")
    kind = section.text("scheme")
    if kind not in {one.value for one in SchemeKind}:
        listed = ", ".join(one.value for one in SchemeKind)
        raise ProfileInvalid(f"{section.at('scheme')}: write one of {listed}, not {kind!r}")
    is_token = kind == SchemeKind.TOKEN
    return Scheme(
        kind=SchemeKind(kind),
        header=section.text("header", "Authorization") if is_token else "",
        tolerance=section.whole("tolerance_seconds", 1, 300),
    )


def _account(section: Section) -> AccountPath:
    section.only("path", "system")
    system = section.text("system") if section.has("system") else None
    return AccountPath(section.text("path"), system)


def _meaning(section: Section, catalogue: Catalogue) -> Meaning:
    section.only("signal", "when", "value", "once_per")
    signal = section.text("signal")
    if catalogue.find(signal) is None:
        known = ", ".join(sorted(catalogue.types))
        raise ProfileInvalid(f"{section.at('signal')}: {signal!r} is none of: {known}")
    when = section.section("when")
    return Meaning(
        signal=signal,
        when=tuple(_condition(path, value) for path, value in when.values.items()),
        value_at=section.text("value") if section.has("value") else None,
        once_per=section.text("once_per") if section.has("once_per") else None,
    )


def _condition(path: str, wanted: object) -> Condition:
    """Read ``path: value``, or ``path: {above: 1, below: 5}``."""
    if not isinstance(wanted, dict):
        return Condition(path, equals=wanted)
    limits = Section.of(f"when.{path}", wanted).only("above", "below")
    if not limits.values:
        raise ProfileInvalid(f"{limits.path}: write above or below")
    found = {key: limits.number(key, -1e15, 1e15) for key in limits.values}
    return Condition(path, above=found.get("above"), below=found.get("below"))


def _list(section: Section, key: str) -> list[Section]:
    """Read a list of mappings; a single one may stand without its list."""
    value = section.values.get(key, [])
    many = value if isinstance(value, list) else [value]
    return [Section.of(f"{section.at(key)}[{n}]", one) for n, one in enumerate(many)]
