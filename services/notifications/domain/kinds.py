"""What a message can be about, and the patterns that choose from it."""

from collections.abc import Iterable
from enum import StrEnum

from shared.kernel.errors import Invalid


class UnknownEvent(Invalid):
    """Name an event as `risk.opened`, all of a sort as `risk.*`, or everything as `*`."""


class MessageKind(StrEnum):
    """What happened, as subscriptions and webhooks name it."""

    RISK_OPENED = "risk.opened"
    RISK_WORSENED = "risk.worsened"
    RISK_AWOKE = "risk.awoke"
    RISK_MERGED = "risk.merged"
    RISK_RECOVERED = "risk.recovered"
    RENEWAL_AT_RISK = "renewal.at_risk"
    RENEWAL_REASSESSED = "renewal.reassessed"
    RENEWAL_RESTORED = "renewal.restored"
    RENEWAL_WINDOW_OPENED = "renewal.window_opened"
    OPPORTUNITY_OPENED = "opportunity.opened"
    OPPORTUNITY_WITHHELD = "opportunity.withheld"
    FIRST_VALUE_REACHED = "first_value.reached"
    MILESTONE_OVERDUE = "milestone.overdue"

    @property
    def is_alarm(self) -> bool:
        """Whether something is wrong from now on, until it is called off."""
        return self in {
            self.RISK_OPENED,
            self.RISK_WORSENED,
            self.RISK_AWOKE,
            self.RENEWAL_AT_RISK,
        }

    @property
    def is_all_clear(self) -> bool:
        """Whether it calls an alarm off: what it was about is over, or another alarm tells it."""
        return self.is_merger or self in {self.RISK_RECOVERED, self.RENEWAL_RESTORED}

    @property
    def is_merger(self) -> bool:
        """Whether another alarm tells from now on what an alarm was about."""
        return self in {self.RISK_MERGED, self.RENEWAL_REASSESSED}

    @property
    def recurs(self) -> bool:
        """Whether it can happen several times in one episode, and is news each time."""
        return self.is_merger or self in {self.RISK_AWOKE, self.RENEWAL_AT_RISK}

    @property
    def sort(self) -> str:
        """What it is about: the part before the dot."""
        return self.value.partition(".")[0]

    @property
    def fact(self) -> str:
        """The name of its fact: `risk_opened` in `io.tenure.health.risk_opened.v1`."""
        return self.value.replace(".", "_")


_BY_FACT = {kind.fact: kind for kind in MessageKind}
_PATTERNS = {"*", *MessageKind, *(f"{kind.sort}.*" for kind in MessageKind)}


def checked_patterns(patterns: Iterable[str]) -> tuple[str, ...]:
    """Return patterns that name something, each once, event types as kinds.

    `risk.opened`, `risk.*`, `*` and `io.tenure.health.risk_opened.v1` are understood.
    Raises `UnknownEvent`.
    """
    return tuple(dict.fromkeys(_checked(pattern) for pattern in patterns))


def matches(patterns: Iterable[str], kind: MessageKind) -> bool:
    """Tell whether any of the patterns chooses a kind."""
    return not {"*", f"{kind.sort}.*", kind.value}.isdisjoint(patterns)


def _checked(pattern: str) -> str:
    if pattern in _PATTERNS:
        return pattern
    parts = pattern.split(".")
    # A full event type: io.tenure.<service>.<fact>.v<major>.
    if len(parts) == 5 and parts[:2] == ["io", "tenure"] and parts[3] in _BY_FACT:
        return _BY_FACT[parts[3]].value
    raise UnknownEvent(known=sorted(_PATTERNS))
