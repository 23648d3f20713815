"""Every fact there is, in one visible list."""

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import ValidationError

from shared.contracts import expansion, health, notifications, onboarding, renewals
from shared.contracts.event import Event, Fact, MalformedEvent

FACTS: tuple[type[Fact], ...] = (
    *onboarding.FACTS,
    *health.FACTS,
    *expansion.FACTS,
    *renewals.FACTS,
    *notifications.FACTS,
)

BY_TYPE: Mapping[str, type[Fact]] = MappingProxyType({fact.event_type: fact for fact in FACTS})

PUBLISHERS: tuple[str, ...] = tuple(dict.fromkeys(fact.publisher() for fact in FACTS))


def topic_of(publisher: str) -> str:
    """Return the topic on which a service publishes."""
    return f"tenure.{publisher}"


def fact_of(event: Event) -> Fact | None:
    """Return the typed fact of an event, or None when this build does not know its type.

    Raises `MalformedEvent` when the data breaks the contract.
    """
    declared = BY_TYPE.get(event.type)
    if declared is None:
        return None
    try:
        return declared.model_validate({**event.data, "account_id": event.subject})
    except ValidationError as error:
        raise MalformedEvent(f"{event.type}: {error}") from None
