"""From the mapping of a catalogue file to its types, or to an error that says what to change."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from services.health.domain.profile.parsing import parse_rule, parse_severity
from services.health.domain.profile.profile import SignalRule
from services.health.domain.profile.reading import (
    Mistakes,
    ProfileInvalid,
    Section,
    SourceFile,
    check_name,
)
from services.health.domain.signal.catalogue import (
    Catalogue,
    Direction,
    SignalType,
    ValueRange,
)
from shared.kernel.errors import Invalid

_ANY = 1e12
_KEYS = (
    "title", "meaning", "direction", "value", "sources", "half_life_days", "severity",
    "next_step", "also_called", "from_usage", "rules",
)  # fmt: skip


class SignalsInvalid(Invalid):
    """The catalogue of signals cannot be used as written."""


def parse_catalogue(files: Iterable[SourceFile]) -> Catalogue:
    """Build the catalogue from its files; a later one replaces shipped types by name.

    Raises `SignalsInvalid`, which names the file, the place of each mistake and what to write.
    """
    types: dict[str, SignalType] = {}
    families: list[tuple[str, ...]] = []
    written_in: dict[str, SourceFile] = {}
    for file in files:
        with _mistakes_in(file):
            top = Section.of("", file.values).only("types", "families")
            found = top.section("types").each(_type)
            _refuse_rivals((one.name for one in found), written_in)
            families += [
                top.section("families").texts(key) for key in top.section("families").values
            ]
        types |= {one.name: one for one in found}
        written_in |= {one.name: file for one in found}
    _refuse_doubles(types.values(), written_in)
    _refuse_unknown(types.values(), written_in)
    return Catalogue(types, tuple(families))


@contextmanager
def _mistakes_in(file: SourceFile) -> Iterator[None]:
    try:
        yield
    except ProfileInvalid as error:
        raise file.refusal(SignalsInvalid, error) from None


def _type(name: str, section: Section) -> SignalType:
    mistakes = Mistakes()
    read = mistakes.read
    read(section.only, *_KEYS)
    found = SignalType(
        name=read(check_name, section.path, name),
        title=read(section.text, "title"),
        meaning=read(section.text, "meaning"),
        direction=read(lambda: Direction(section.choice("direction", Direction))),
        value=read(lambda: _value(section.section("value"))) if section.has("value") else None,
        sources=read(section.texts, "sources"),
        half_life_days=read(section.number, "half_life_days", 0.01, 3650),
        severity=read(parse_severity, section, "medium"),
        next_step=read(section.text, "next_step", "Talk to the account's owner and agree a step."),
        also_called=read(section.texts, "also_called"),
        from_usage=read(_from_usage, section),
    )
    # What a rule leaves out is that of its type: a mistake there is told once, where it is.
    is_whole = None not in (found.title, found.severity, found.half_life_days)
    given = {
        "signal": name,
        "title": found.title,
        "severity": section.values.get("severity", "medium"),
        "half_life_days": found.half_life_days,
    }
    rules = read(lambda: _rules(section.section("rules"), given)) if is_whole else ()
    mistakes.check()
    return replace(found, rules=rules)


def _rules(section: Section, given: Mapping[str, object]) -> tuple[SignalRule, ...]:
    """Read default rules; what one leaves out is that of its type."""
    return section.each(
        lambda reason, rule: parse_rule(reason, Section.of(rule.path, {**given, **rule.values}))
    )


def _value(section: Section) -> ValueRange:
    section.only("from", "to", "whole", "optional", "meaning", "choices")
    choices = section.section("choices")
    numbers = {name: choices.number(name, -_ANY, _ANY) for name in choices.values}
    ends = [key for key in ("from", "to") if section.has(key)]
    if len(ends) != (0 if numbers else 2):
        raise ProfileInvalid(f"{section.path}: write from and to, or choices")
    low = min(numbers.values()) if numbers else section.number("from", -_ANY, _ANY)
    high = max(numbers.values()) if numbers else section.number("to", low, _ANY)
    return ValueRange(
        low=low,
        high=high,
        meaning=section.text("meaning"),
        is_whole=section.flag("whole"),
        is_required=not section.flag("optional"),
        choices=numbers or None,
    )


def _from_usage(section: Section) -> tuple[str, ...]:
    """Read names of usage events; one may end with * for any that begin like it."""
    names = section.texts("from_usage")
    for name in names:
        if "*" in name[:-1] or name == "*":
            raise ProfileInvalid(
                f"{section.at('from_usage')}: * stands at the end of a name, such as "
                f"billing.*, not in {name!r}"
            )
    return names


def _refuse_rivals(names: Iterable[str], written_in: Mapping[str, SourceFile]) -> None:
    """Refuse a type that another file of the company's own has: one would silently be lost."""
    found = []
    for name in names:
        before = written_in.get(name)
        if before is not None and not before.is_shipped:
            both = f"{before.file} has this type too; keep one of them"
            found.append(ProfileInvalid(f"types.{name}: {both}"))
    if found:
        raise ProfileInvalid.of(found)


def _refuse_doubles(types: Iterable[SignalType], written_in: Mapping[str, SourceFile]) -> None:
    seen: dict[str, str] = {}
    for one in types:
        for name in one.names:
            if name in seen:
                with _mistakes_in(written_in[one.name]):
                    raise ProfileInvalid(
                        f"types.{one.name}: the name {name!r} belongs to {seen[name]} already"
                    )
            seen[name] = one.name


def _refuse_unknown(types: Collection[SignalType], written_in: Mapping[str, SourceFile]) -> None:
    """Refuse rules that wait for signals that nothing is called."""
    known = {name for one in types for name in one.names}
    for one in types:
        for rule in one.rules:
            unknown = {rule.signal, *rule.also, *rule.closed_by} - known
            if unknown:
                with _mistakes_in(written_in[one.name]):
                    raise ProfileInvalid(
                        f"types.{one.name}.rules.{rule.reason}: no type is called "
                        f"{', '.join(sorted(unknown))}; write a name of GET /api/v1/signal-types"
                    )
