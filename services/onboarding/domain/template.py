"""Onboarding templates: versioned data that says how a segment gets to first value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.onboarding.domain.owner import OwnerRole
from shared.kernel.errors import Invalid

DEFAULT = "default"
_KEY = re.compile(r"[a-z0-9_]{1,64}")


class BrokenTemplate(Invalid):
    """The onboarding template cannot be used."""


class NoDefaultTemplate(Invalid):
    """There is no onboarding template named default; put default.yml beside the others."""


@dataclass(frozen=True, slots=True)
class TemplateMilestone:
    """A milestone to be reached ``due_days`` calendar days after the account is opened.

    It completes by hand, and by usage too when it names a ``usage_milestone`` of health.
    """

    key: str
    title: str
    owner_role: OwnerRole
    due_days: int
    requires: tuple[str, ...] = ()
    usage_milestone: str | None = None
    is_first_value: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """A plan in the making; ``landing_days``: how long nothing is sold to the account."""

    name: str
    version: int
    landing_days: int
    milestones: tuple[TemplateMilestone, ...]

    @property
    def id(self) -> str:
        """The name and version that every decision made from it carries: ``default@1``."""
        return f"{self.name}@{self.version}"

    def is_landing(self, starts_on: date, *, today: date) -> bool:
        """Tell whether a customer who started then would still be landing today."""
        return (today - starts_on).days <= self.landing_days


@dataclass(frozen=True, slots=True)
class Templates:
    """All templates, by the segment they are for. Raises `NoDefaultTemplate`."""

    by_segment: Mapping[str, Template]

    def __post_init__(self) -> None:
        if DEFAULT not in self.by_segment:
            raise NoDefaultTemplate

    def for_segment(self, segment: str) -> Template:
        """Return the segment's own template, or the default one."""
        return self.by_segment.get(segment) or self.by_segment[DEFAULT]


def template_of(name: str, document: Any) -> Template:
    """Read a template from what its YAML file holds.

    Raises `BrokenTemplate` that names every mistake at once, each with its place in the file.
    """
    reader = _Reader()
    fields = reader.mapping(name, document, {"version", "landing_days", "milestones"})
    listed = fields.get("milestones")
    if not isinstance(listed, list) or not listed:
        reader.mistake(f"{name}.milestones", "list at least one milestone")
        listed = []
    template = Template(
        name=name,
        version=reader.whole(f"{name}.version", fields.get("version"), least=1),
        landing_days=reader.whole(f"{name}.landing_days", fields.get("landing_days"), least=0),
        milestones=tuple(
            reader.milestone(f"{name}.milestones[{index}]", item)
            for index, item in enumerate(listed)
        ),
    )
    mistakes = reader.mistakes or _contradictions(template)
    if mistakes:
        raise BrokenTemplate("; ".join(mistakes))
    return template


class _Reader:
    """Reads loosely typed fields and gathers every mistake, so that one look mends a file."""

    _MOST_DAYS = 3650

    def __init__(self) -> None:
        self.mistakes: list[str] = []

    def mistake(self, where: str, what: str) -> None:
        self.mistakes.append(f"{where}: {what}")

    def mapping(self, where: str, value: Any, known: set[str]) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            self.mistake(where, f"expected the fields {', '.join(sorted(known))}")
            return {}
        for name in value.keys() - known:
            self.mistake(where, f"unknown field {name!r}")
        return value

    def whole(self, where: str, value: Any, *, least: int) -> int:
        # YAML's true is a Python int; it is no number of days.
        if type(value) is int and least <= value <= self._MOST_DAYS:
            return value
        self.mistake(where, f"expected a whole number from {least} to {self._MOST_DAYS}")
        return least

    def word(self, where: str, value: Any) -> str:
        if isinstance(value, str) and value.strip():
            return value.strip()
        self.mistake(where, "expected a text")
        return ""

    def key(self, where: str, value: Any) -> str:
        # It becomes a part of URLs and of the timer's key.
        if isinstance(value, str) and _KEY.fullmatch(value):
            return value
        self.mistake(where, "expected 1 to 64 lower-case letters, digits and underscores")
        return ""

    def milestone(self, where: str, item: Any) -> TemplateMilestone:
        known = {"key", "title", "owner_role", "due_days", "requires", "completes", "first_value"}
        fields = self.mapping(where, item, known)
        return TemplateMilestone(
            key=self.key(f"{where}.key", fields.get("key")),
            title=self.word(f"{where}.title", fields.get("title")),
            owner_role=self.role(f"{where}.owner_role", fields.get("owner_role")),
            due_days=self.whole(f"{where}.due_days", fields.get("due_days"), least=0),
            requires=self.keys(f"{where}.requires", fields.get("requires", [])),
            usage_milestone=self.usage(f"{where}.completes", fields.get("completes")),
            is_first_value=self.flag(f"{where}.first_value", fields.get("first_value", False)),
        )

    def role(self, where: str, value: Any) -> OwnerRole:
        if value in list(OwnerRole):
            return OwnerRole(value)
        self.mistake(where, f"expected one of {', '.join(OwnerRole)}")
        return OwnerRole.CSM

    def keys(self, where: str, value: Any) -> tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(key, str) for key in value):
            return tuple(value)
        self.mistake(where, "expected a list of milestone keys")
        return ()

    def usage(self, where: str, value: Any) -> str | None:
        if value == "by_hand":
            return None
        if isinstance(value, dict) and value.keys() == {"usage_milestone"}:
            return self.word(f"{where}.usage_milestone", value["usage_milestone"])
        self.mistake(where, "expected by_hand, or usage_milestone with its name")
        return None

    def flag(self, where: str, value: Any) -> bool:
        if not isinstance(value, bool):
            self.mistake(where, "expected true or false")
        return value is True


def _contradictions(template: Template) -> list[str]:
    keys = [milestone.key for milestone in template.milestones]
    mistakes = [
        f"the key {key!r} is used twice" for key in sorted(set(keys)) if keys.count(key) > 1
    ]
    mistakes += [
        f"{milestone.key} requires {required!r}, which is not a milestone here"
        for milestone in template.milestones
        for required in milestone.requires
        if required not in keys
    ]
    if sum(milestone.is_first_value for milestone in template.milestones) != 1:
        mistakes.append("mark exactly one milestone with first_value: true")
    waiting = _never_startable(template)
    if waiting and not mistakes:
        mistakes.append(f"these milestones wait for each other: {', '.join(waiting)}")
    return [f"{template.name}: {mistake}" for mistake in mistakes]


def _never_startable(template: Template) -> list[str]:
    """Return the milestones whose prerequisites lead in a circle."""
    requires = {milestone.key: set(milestone.requires) for milestone in template.milestones}
    while startable := {key for key, required in requires.items() if not required}:
        requires = {key: left - startable for key, left in requires.items() if key not in startable}
    return sorted(requires)
