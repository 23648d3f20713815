"""From the mapping of a mapping file to a `SenderMapping`, or to what to change in the file."""

from services.health.domain.profile.reading import Mistakes, ProfileInvalid, Section, SourceFile
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


def parse_mapping(name: str, file: SourceFile, catalogue: Catalogue) -> SenderMapping:
    """Build a mapping from the mapping of its file.

    Raises `MappingInvalid`, which names the file, the place of each mistake and what to write.
    """
    try:
        return _mapping(name, Section.of("", file.values), catalogue)
    except ProfileInvalid as error:
        raise MappingInvalid(file.lines(error)) from None


def _mapping(name: str, top: Section, catalogue: Catalogue) -> SenderMapping:
    mistakes = Mistakes()
    mistakes.read(top.only, "source", "signature", "event", "accounts", "events")
    event = mistakes.read(lambda: _event(top.section("event")))
    source = mistakes.read(top.text, "source", name)
    scheme = mistakes.read(lambda: _scheme(top.section("signature")))
    accounts = mistakes.read(lambda: tuple(_account(one) for one in _list(top, "accounts")))
    events = mistakes.read(lambda: _events(top.section("events"), catalogue))
    mistakes.check()
    id_at, type_at, time_at = event
    return SenderMapping(
        name=name,
        source=source,
        scheme=scheme,
        id_at=id_at,
        type_at=type_at,
        time_at=time_at,
        accounts=accounts,
        events=events,
    )


def _event(section: Section) -> tuple[str, str, str | None]:
    """Return where an event's id, type and time stand."""
    section.only("id", "type", "time")
    time = section.text("time") if section.has("time") else None
    return section.text("id"), section.text("type"), time


def _events(section: Section, catalogue: Catalogue) -> dict[str, tuple[Meaning, ...]]:
    mistakes = Mistakes()
    events = {
        key: tuple(mistakes.read(_meaning, one, catalogue) for one in _list(section, key))
        for key in section.values
    }
    mistakes.check()
    return events


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
        when=tuple(_condition(path, when) for path in when.values),
        value_at=section.text("value") if section.has("value") else None,
        once_per=section.text("once_per") if section.has("once_per") else None,
    )


def _condition(path: str, when: Section) -> Condition:
    """Read ``path: value``, or ``path: {above: 1, below: 5}``."""
    if not isinstance(wanted := when.values[path], dict):
        return Condition(path, equals=wanted)
    limits = when.section(path).only("above", "below")
    if not limits.values:
        raise ProfileInvalid(f"{limits.path}: write above or below")
    found = {key: limits.number(key, -1e15, 1e15) for key in limits.values}
    return Condition(path, above=found.get("above"), below=found.get("below"))


def _list(section: Section, key: str) -> list[Section]:
    """Read a list of mappings; a single one may stand without its list."""
    value = section.values.get(key, [])
    if not isinstance(value, list):
        return [section.section(key)]
    return [Section.of(f"{section.at(key)}[{n}]", one) for n, one in enumerate(value)]
