"""From the mapping of a mapping file to a `SenderMapping`, or to what to change in the file."""

import re
from collections.abc import Mapping

from services.health.domain.profile.reading import Mistakes, ProfileInvalid, Section, SourceFile
from services.health.domain.signal.catalogue import Catalogue, SignalType, SignalValueInvalid
from services.health.domain.signal.mapping import (
    AccountPath,
    Condition,
    EventPaths,
    Meaning,
    SenderMapping,
)
from services.health.domain.signal.sent import IN_HEADER
from services.health.domain.signal.signature import (
    BODY,
    TIME,
    Algorithm,
    Encoding,
    Scheme,
    SchemeKind,
)
from shared.kernel.errors import Invalid

_HEADER = r"[A-Za-z0-9-]{1,100}"
URL_PART = r"[a-z0-9][a-z0-9_-]{0,63}"
"""What the name of a mapping or of another system looks like."""


class MappingInvalid(Invalid):
    """The mapping of a webhook cannot be used as written."""


def parse_mapping(name: str, file: SourceFile, catalogue: Catalogue) -> SenderMapping:
    """Build a mapping from the mapping of its file.

    Raises `MappingInvalid`, which names the file, the place of each mistake and what to write.
    """
    try:
        _check_url_part("", name)
        return _mapping(name, Section.of("", file.values), catalogue)
    except ProfileInvalid as error:
        raise file.refusal(MappingInvalid, error) from None


def _mapping(name: str, top: Section, catalogue: Catalogue) -> SenderMapping:
    mistakes = Mistakes()
    mistakes.read(top.only, "source", "signature", "event", "accounts", "events")
    event = mistakes.read(lambda: _event(top.section("event")))
    source = mistakes.read(top.text, "source", name)
    scheme = mistakes.read(lambda: _scheme(top.section("signature")))
    accounts = mistakes.read(lambda: _accounts(top))
    events = mistakes.read(lambda: _events(top.section("events"), catalogue))
    mistakes.check()
    return SenderMapping(
        name=name,
        source=source,
        scheme=scheme,
        event=event,
        accounts=accounts,
        events=events,
    )


def _event(section: Section) -> EventPaths:
    section.only("list", "id", "type", "time")
    array, time = (_path(section, key) if section.has(key) else None for key in ("list", "time"))
    if array and array.startswith(IN_HEADER):
        raise ProfileInvalid(f"{section.at('list')}: an array stands in the body; write its path")
    return EventPaths(_path(section, "id"), _path(section, "type"), time, array)


def _events(section: Section, catalogue: Catalogue) -> dict[str, tuple[Meaning, ...]]:
    if not section.values:
        raise ProfileInvalid("events: write which signals the types of event mean")
    mistakes = Mistakes()
    events = {
        key: tuple(mistakes.read(_meaning, one, catalogue) for one in _list(section, key))
        for key in section.values
    }
    mistakes.check()
    return events


def _scheme(section: Section) -> Scheme:
    kind = SchemeKind(section.choice("scheme", SchemeKind))
    if kind is SchemeKind.HMAC:
        return _hmac(section)
    section.only("scheme", "header", "tolerance_seconds")
    is_token = kind is SchemeKind.TOKEN
    return Scheme(
        kind=kind,
        header=section.text("header", "Authorization") if is_token else "",
        tolerance=section.whole("tolerance_seconds", 1, 300),
    )


def _hmac(section: Section) -> Scheme:
    is_timed = section.has("time_header")
    timed = ("time_header", "tolerance_seconds") if is_timed else ()
    section.only("scheme", "header", "prefix", "algorithm", "encoding", "content", *timed)
    content = section.text("content", BODY)
    if content.count(BODY) != 1 or (TIME in content) != is_timed:
        raise ProfileInvalid(
            f"{section.at('content')}: write what is signed, with {BODY} once, such as "
            f"'{TIME}.{BODY}'; {TIME} needs a time_header, and a time_header {TIME}"
        )
    return Scheme(
        kind=SchemeKind.HMAC,
        header=section.text("header"),
        tolerance=section.whole("tolerance_seconds", 1, 300),
        prefix=section.text("prefix") if section.has("prefix") else "",
        content=content,
        time_header=section.text("time_header") if is_timed else "",
        algorithm=Algorithm(section.choice("algorithm", Algorithm, Algorithm.SHA256)),
        encoding=Encoding(section.choice("encoding", Encoding, Encoding.HEX)),
    )


def _accounts(top: Section) -> tuple[AccountPath, ...]:
    if not top.values.get("accounts"):
        raise ProfileInvalid("accounts: write where an event names its account, such as a path")
    return tuple(_account(one) for one in _list(top, "accounts"))


def _account(section: Section) -> AccountPath:
    section.only("path", "system")
    system = section.text("system") if section.has("system") else None
    if system is not None:
        _check_url_part(f"{section.at('system')}: ", system)
    return AccountPath(_path(section, "path"), system)


def _check_url_part(at: str, name: str) -> None:
    if not re.fullmatch(URL_PART, name):
        raise ProfileInvalid(
            f"{at}{name!r} is part of a URL: write lower-case letters, digits, _ and -"
        )


def _path(section: Section, key: str) -> str:
    path = section.text(key)
    name = path.removeprefix(IN_HEADER)
    is_header = name != path
    if (is_header and not re.fullmatch(_HEADER, name)) or path.startswith("$") or "[" in path:
        raise ProfileInvalid(
            f"{section.at(key)}: write a path such as items.0.score or /items/0/score, or "
            f"header:X-Topic, not {path!r}"
        )
    return path


def _meaning(section: Section, catalogue: Catalogue) -> Meaning:
    section.only("signal", "when", "value", "values", "once_per")
    signal = section.text("signal")
    found = catalogue.find(signal)
    if found is None:
        known = ", ".join(sorted(catalogue.types))
        raise ProfileInvalid(f"{section.at('signal')}: {signal!r} is none of: {known}")
    needs_value = found.value is not None and found.value.is_required
    if needs_value and not section.has("value"):
        raise ProfileInvalid(f"{section.path}: {signal} has a value; write value: and its path")
    if found.value is None and section.has("value"):
        raise ProfileInvalid(f"{section.at('value')}: {signal} carries none; leave it out")
    when = section.section("when")
    return Meaning(
        signal=signal,
        when=tuple(_condition(path, when) for path in when.values),
        value_at=_path(section, "value") if section.has("value") else None,
        values=_values(section, found),
        once_per=_path(section, "once_per") if section.has("once_per") else None,
    )


def _values(section: Section, of_type: SignalType) -> Mapping[str, float | str]:
    """Read the sender's words for values; each means a value that the type takes."""
    if section.has("values") and not section.has("value"):
        raise ProfileInvalid(f"{section.at('values')}: write value: and its path as well")
    table = section.section("values")
    mistakes = Mistakes()
    for word in table.values:
        mistakes.read(_check_value, table, word, of_type)
    mistakes.check()
    return table.values


def _check_value(table: Section, word: str, of_type: SignalType) -> None:
    value = table.values[word]
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ProfileInvalid(f"{table.at(word)}: write a number or a text, not {value!r}")
    try:
        of_type.read(value)
    except SignalValueInvalid as error:
        raise ProfileInvalid(f"{table.at(word)}: {error.detail}") from None


def _condition(path: str, when: Section) -> Condition:
    """Read ``path: value``, or ``path: {above: 1, below: 5}``."""
    wanted = when.values[path]
    if isinstance(wanted, list):
        raise ProfileInvalid(f"{when.at(path)}: write one value, or above and below, not a list")
    if not isinstance(wanted, dict):
        return Condition(path, equals=wanted)
    limits = when.section(path).only("above", "below")
    if not limits.values:
        raise ProfileInvalid(f"{limits.path}: write above or below")
    found = {key: limits.number(key, -1e15, 1e15) for key in limits.values}
    above, below = found.get("above"), found.get("below")
    if above is not None and below is not None and above >= below:
        raise ProfileInvalid(f"{limits.path}: nothing is above {above:g} and below {below:g}")
    return Condition(path, above=above, below=below)


def _list(section: Section, key: str) -> list[Section]:
    """Read a list of mappings; a single one may stand without its list."""
    value = section.values.get(key, [])
    if not isinstance(value, list):
        return [section.section(key)]
    return [Section.of(f"{section.at(key)}[{n}]", one) for n, one in enumerate(value)]
