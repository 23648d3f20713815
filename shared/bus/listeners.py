"""Listeners: a service's event door, as one visible list."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from shared.contracts.event import Fact
from shared.contracts.registry import topic_of
from shared.db.transaction import Transaction

F = TypeVar("F", bound=Fact)


@dataclass(frozen=True, slots=True)
class Listener:
    """What a service does when it hears a fact, inside the transaction of the inbox row."""

    fact: type[Fact]
    handle: Callable[[Transaction, Any], Awaitable[None]]


def on(fact: type[F], handle: Callable[[Transaction, F], Awaitable[None]]) -> Listener:
    """Bind a listener to the fact it hears; the types of both are checked together."""
    return Listener(fact, handle)


def topics_of(listeners: Sequence[Listener]) -> list[str]:
    """Return the topics that must be read to hear these."""
    return sorted({topic_of(listener.fact.publisher()) for listener in listeners})
