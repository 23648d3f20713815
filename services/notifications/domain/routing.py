"""Routing: from a notice to the people and endpoints that hear it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from services.notifications.domain.endpoint import Endpoint
from services.notifications.domain.message import Notice
from services.notifications.domain.person import Audience, Person, Role
from services.notifications.domain.rules import Rule, RuleBook
from services.notifications.domain.subscription import Channel, Subscription


@dataclass(frozen=True, slots=True)
class Route:
    """One way to one recipient: a person, an endpoint, or a role that nobody holds yet.

    Within ``window`` the recipient is not told again of the same reason.
    """

    channel: Channel
    recipient: Person | UUID | Role
    window: timedelta

    @property
    def address(self) -> str:
        """The recipient as text: an address, an endpoint's id, or ``role:<role>``."""
        if isinstance(self.recipient, Person):
            return self.recipient.email
        return vacancy(self.recipient) if isinstance(self.recipient, Role) else str(self.recipient)

    @property
    def name(self) -> str:
        """The person's name; empty for others."""
        return self.recipient.name if isinstance(self.recipient, Person) else ""

    @property
    def is_vacant(self) -> bool:
        """Whether nobody holds the role it leads to."""
        return isinstance(self.recipient, Role)


@dataclass(frozen=True, slots=True)
class Directory:
    """Everyone who may want to hear: rules, subscriptions, endpoints that are enabled."""

    book: RuleBook
    subscriptions: Sequence[Subscription]
    endpoints: Sequence[Endpoint]

    def routes(self, notice: Notice, audience: Audience) -> tuple[Route, ...]:
        """Return the routes of a notice, each channel and recipient once; rules come first."""
        found = [*self._by_rules(notice, audience), *self._by_subscriptions(notice, audience)]
        return tuple({(each.channel, each.address): each for each in reversed(found)}.values())

    def _by_rules(self, notice: Notice, audience: Audience) -> Iterator[Route]:
        for rule in self.book.rules:
            if rule.covers(notice):
                yield from self._by_rule(rule, notice, audience)

    def _by_rule(self, rule: Rule, notice: Notice, audience: Audience) -> Iterator[Route]:
        for channel in rule.channels:
            if channel is Channel.WEBHOOK:
                wanting = [each.id for each in self.endpoints if each.asks_for(notice.kind)]
                yield from (Route(channel, each, rule.window) for each in wanting)
            else:
                for role in rule.roles:
                    yield from _to_role(role, channel, audience, rule.window)

    def _by_subscriptions(self, notice: Notice, audience: Audience) -> Iterator[Route]:
        for each in self.subscriptions:
            if each.wants(notice, audience.segment):
                for channel in each.channels:
                    yield from self._to(each, channel, audience)

    def _to(
        self, subscription: Subscription, channel: Channel, audience: Audience
    ) -> Iterable[Route]:
        recipient, window = subscription.recipient, self.book.window
        if isinstance(recipient, Role):
            return _to_role(recipient, channel, audience, window)
        if isinstance(recipient, Person) or any(each.id == recipient for each in self.endpoints):
            return [Route(channel, recipient, window)]
        return []


def vacancy(role: Role) -> str:
    """Return the address of a role that nobody holds: what is sent there waits for an owner."""
    return f"role:{role.value}"


def _to_role(
    role: Role, channel: Channel, audience: Audience, window: timedelta
) -> Sequence[Route]:
    return [Route(channel, each, window) for each in audience.holders(role) or (role,)]
