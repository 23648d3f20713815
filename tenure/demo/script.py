"""What each product backend is to send on each day: the cast's usage, and some mistakes."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tenure.demo.cast import Backend, Customer
from tenure.demo.usage import Calendar, uses

_AGAIN_EVERY = 60
"""Every so many events one is sent a second time, as a retry does."""

_BAD_DAYS = (2, 9)
_POISON_DAY = 5
_NOT_AN_ACCOUNT = "not an account!"
_LONGER_THAN_A_NAME = "export." + "x" * 300


@dataclass(slots=True)
class DayPlan:
    """A backend's day. ``unique`` counts the good events, each once: for pacing, not for proof."""

    groups: list[Mapping[str, str]] = field(default_factory=list)
    events: list[Mapping[str, Any]] = field(default_factory=list)
    poison: list[tuple[str, str]] = field(default_factory=list)
    unique: int = 0

    def to_json(self) -> bytes:
        """Return the line that the backend reads."""
        day = {"groups": self.groups, "events": self.events, "poison": self.poison}
        return json.dumps(day).encode()


def day_plan(
    backend: Backend, cast: tuple[Customer, ...], day: date, calendar: Calendar
) -> DayPlan:
    """Return what a backend sends on a live day, or on the morning of today."""
    number = (day - calendar.live[0]).days
    ours = [customer for customer in cast if customer.backend is backend]
    plan = DayPlan(groups=[_group(customer) for customer in ours] if number == 0 else [])
    for customer in ours:
        plan.events += _events(customer, day, calendar)
    plan.unique = len({event["id"] for event in plan.events})
    if number in _BAD_DAYS:
        plan.events.append(_bad(backend, ours[0], plan.events[0]["time"], number))
    if backend is Backend.KAFKA and number == _POISON_DAY:
        plan.poison.append((ours[0].account_id, "{ this is not JSON"))
    return plan


def _events(customer: Customer, day: date, calendar: Calendar) -> Iterator[Mapping[str, Any]]:
    for number, use in enumerate(uses(customer, day, calendar)):
        event = {
            "id": f"{customer.account_id}/{day}/{number}",
            "account": use.account_id,
            "user": use.user_id,
            "event": use.event,
            "time": use.time.isoformat(),
        }
        yield event
        if number % _AGAIN_EVERY == 0:
            yield event


def _group(customer: Customer) -> Mapping[str, str]:
    user = customer.user_ids[0]
    return {"account": customer.account_id, "user": user, "name": customer.name}


def _bad(backend: Backend, customer: Customer, time: str, number: int) -> Mapping[str, Any]:
    """Return an event that cannot be counted, a different one for each backend."""
    bad = {
        "id": f"{customer.account_id}/bad/{number}",
        "account": customer.account_id,
        "user": customer.user_ids[0],
        "event": "record.created",
        "time": time,
    }
    wrong: Mapping[Backend, Mapping[str, Any]] = {
        Backend.SEGMENT: {"account": _NOT_AN_ACCOUNT},
        Backend.RUDDER: {"event": _LONGER_THAN_A_NAME},
        Backend.KAFKA: {"nameless": True},
    }
    return {**bad, **wrong[backend]}
