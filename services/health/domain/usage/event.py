"""A usage event: something a user did in the product, at an event time.

Product backends say it as Segment-shaped messages, as PostHog captures or as CloudEvents; each
becomes a `Call`, or an `InvalidEvent` that says what is wrong and what to do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.health.domain.usage.account_group import DEFAULT_GROUPS, AccountGroups
from services.health.domain.usage.members import (
    LONGEST_ID,
    InvalidEvent,
    members,
    read_time,
    shown,
    text,
    user,
)
from shared.kernel.ids import is_account_id

MOST_AHEAD = timedelta(hours=24)
MOST_BEHIND = timedelta(days=3660)
BACKFILL_AFTER = timedelta(days=7)
"""An event older than this is history: counted, but it moves no clock and fires no alert."""

LARGEST_EVENT = 32 * 1024

_FAR = timedelta(days=366_000)


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """One use of the product. ``account_id`` is None while nobody knows whose it is.

    ``is_backfill``: it is history, and says nothing about how far time has come.
    """

    id: str
    source: str
    name: str
    time: datetime
    account_id: str | None
    user_id: str | None
    properties: Mapping[str, Any]
    is_backfill: bool = False

    def to_cloudevent(self) -> dict[str, Any]:
        """Return the form in which it travels on the usage topic."""
        event = {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.name,
            "subject": self.account_id,
            "time": self.time.isoformat().replace("+00:00", "Z"),
            "data": {"user_id": self.user_id, "properties": self.properties},
        }
        return {**event, "backfill": True} if self.is_backfill else event


@dataclass(frozen=True, slots=True)
class GroupCall:
    """A product backend named an account and, perhaps, a user who belongs to it."""

    id: str
    source: str
    account_id: str
    user_id: str | None
    traits: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class IdentifyCall:
    """A product backend named a user and, perhaps, the account they belong to.

    ``previous_id`` is who the user was before anybody knew their name.
    """

    id: str
    source: str
    user_id: str
    account_id: str | None
    previous_id: str | None = None


@dataclass(frozen=True, slots=True)
class AliasCall:
    """A product backend says that two user ids are one person."""

    id: str
    source: str
    previous_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class NoUse:
    """What an SDK says about itself: nobody used the product. It is counted as ignored."""

    id: str
    source: str
    name: str


Call = UsageEvent | GroupCall | IdentifyCall | AliasCall | NoUse


@dataclass(frozen=True, slots=True)
class Reception:
    """How a batch came in: from which source, when, and when its sender says it was sent.

    ``groups`` tells which kind of group is an account; ``is_history`` that all of it is history.
    """

    source: str
    received_at: datetime
    sent_at: datetime | None = None
    groups: AccountGroups = DEFAULT_GROUPS
    is_history: bool = False

    def event_time(self, timestamp: object) -> datetime:
        """Return when an event happened, by our clock.

        The sender's clock may be wrong by an unknown amount, but the time from event to sending
        was measured on one clock: ``received_at - (sent_at - timestamp)``. An event more than a
        day ahead is moved to now: nothing that matters happens in the future. One from before
        ten years ago is a mistake (a clock at zero), and would have all days since then judged.
        Raises `InvalidEvent`.
        """
        if timestamp is None:
            return self.received_at
        time = self._corrected(read_time(timestamp))
        if is_too_old(time, self.received_at):
            raise InvalidEvent("invalid_timestamp", f"{time.isoformat()} is over ten years ago.")
        return self.received_at if time - self.received_at > MOST_AHEAD else time

    def is_backfill(self, time: datetime) -> bool:
        """Tell whether an event of this time, by our clock, is history."""
        return self.is_history or self.received_at - time > BACKFILL_AFTER

    @property
    def skew(self) -> timedelta:
        """How much is to be added to the sender's times."""
        if self.sent_at is None:
            return timedelta(0)
        skew = self.received_at - self.sent_at
        # A sender whose clock is thousands of years wrong would take every time out of range.
        return skew if abs(skew) < _FAR else timedelta(0)

    def _corrected(self, time: datetime) -> datetime:
        try:
            return time + self.skew
        except OverflowError:
            return time


def read_cloudevent(event: object, reception: Reception) -> UsageEvent:
    """Read a CloudEvent; its subject is the account, its type the name of the event."""
    if not isinstance(event, dict):
        raise InvalidEvent("not_an_object", "A CloudEvent is a JSON object.")
    if event.get("specversion") != "1.0":
        raise InvalidEvent("invalid_specversion", 'Set "specversion" to "1.0".')
    subject = event.get("subject")
    if not is_account_id(subject):
        raise InvalidEvent(
            "missing_account",
            f"Set subject to the id of the account, a text; {shown(subject)} cannot be one.",
        )
    data = members(event, "data")
    time = reception.event_time(event.get("time"))
    return UsageEvent(
        id=text(event, "id", longest=LONGEST_ID),
        source=text(event, "source", longest=LONGEST_ID),
        name=text(event, "type"),
        time=time,
        account_id=subject,
        user_id=user(data, "user_id", "userId"),
        properties=members(data, "properties"),
        is_backfill=event.get("backfill") in (True, "true") or reception.is_backfill(time),
    )


def is_too_old(time: datetime, now: datetime) -> bool:
    """Tell whether a time is so long ago that it is a mistake."""
    return now - time > MOST_BEHIND


def oldest_at(now: datetime) -> datetime:
    """Return the earliest time that is no mistake."""
    return now - MOST_BEHIND
