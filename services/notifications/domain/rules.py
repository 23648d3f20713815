"""The built-in routing: which messages go to which roles, by which channels. A versioned file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from services.notifications.domain.kinds import UnknownEvent, checked_patterns, matches
from services.notifications.domain.message import Notice
from services.notifications.domain.person import Role
from services.notifications.domain.severity import Severity
from services.notifications.domain.subscription import Channel


class BadRuleBookError(ValueError):
    """The rules file cannot be used; the service does not start with it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Messages of these kinds, at least this severe, go to these roles by these channels.

    The channel ``webhook`` goes to every endpoint that asks for the event. Within ``window``
    nobody is told twice of the same reason.
    """

    name: str
    events: tuple[str, ...]
    roles: tuple[Role, ...]
    channels: tuple[Channel, ...]
    min_severity: Severity | None
    window: timedelta

    def covers(self, notice: Notice) -> bool:
        """Tell whether the rule is about this notice."""
        return matches(self.events, notice.kind) and notice.severity.is_at_least(self.min_severity)


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All rules, under the version that every message names."""

    version: str
    window: timedelta
    rules: tuple[Rule, ...]

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Return the book a parsed file describes. Raises `BadRuleBookError`."""
        try:
            window = timedelta(hours=document["window_hours"])
            rules = tuple(_rule(entry, window) for entry in document["rules"])
            return cls(f"{document['name']}-{document['version']}", window, rules)
        except (KeyError, TypeError, ValueError, UnknownEvent) as error:
            raise BadRuleBookError(f"{type(error).__name__}: {error}") from error


def _rule(entry: Mapping[str, Any], window: timedelta) -> Rule:
    known = {"name", "events", "roles", "channels", "min_severity", "window_hours"}
    if unknown := entry.keys() - known:
        raise BadRuleBookError(f"unknown in a rule: {sorted(unknown)}")
    least, hours = entry.get("min_severity"), entry.get("window_hours")
    return Rule(
        name=entry["name"],
        events=checked_patterns(entry["events"]),
        roles=tuple(Role(role) for role in entry["roles"]),
        channels=tuple(Channel(channel) for channel in entry["channels"]),
        min_severity=Severity(least) if least else None,
        window=timedelta(hours=hours) if hours is not None else window,
    )
