"""What a client knows about what it sent: written down before and after every call.

An acknowledged call is owed to the client, an unknown one (no answer, or a 5xx) may or may not
have happened, a failed one must not have.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import IO
from uuid import UUID

import msgspec

from services.health.domain.usage.arrivals import event_key

OPENING = {
    "payment_failed": "payment_recovered",
    "owner_removed": "owner_added",
    "new_executive": "executive_contact",
    "champion_left": "champion_named",
}
"""Signals that open a risk of the same name, each with the signal that closes it."""


class Outcome(StrEnum):
    """How a call ended, as far as its caller knows."""

    UNKNOWN = "unknown"
    OK = "ok"
    FAIL = "fail"


@dataclass(slots=True)
class Usage:
    """A usage event. It was sent once or more, always under the same id."""

    source: str
    id: str
    account: str
    name: str
    user: str
    time: datetime
    outcome: Outcome = Outcome.UNKNOWN
    times_sent: int = 0

    @property
    def key(self) -> UUID:
        """What stands for it in health's table of counted events."""
        return event_key(self.source, self.id)

    @property
    def day(self) -> date:
        """The day it belongs to; the accounts of the fault tests are in UTC."""
        return self.time.astimezone(UTC).date()


@dataclass(slots=True)
class Signal:
    """A signal, by its external id."""

    id: str
    account: str
    type: str
    outcome: Outcome = Outcome.UNKNOWN


@dataclass(slots=True)
class Named:
    """An account that was opened, or named by a group call; or an event that must be rejected."""

    id: str
    outcome: Outcome = Outcome.UNKNOWN


@dataclass(slots=True)
class Poison:
    """Bytes that are no event, acknowledged by the broker; ``in_calm``: while nothing was down."""

    topic: str
    value: bytes
    sent_at: datetime
    in_calm: bool


@dataclass
class Ledger:
    """Everything that was sent, and what came of it; also a file that outlives a crash."""

    file: Path
    usage: dict[UUID, Usage] = field(default_factory=dict)
    rejected: dict[str, Named] = field(default_factory=dict)
    signals: dict[str, Signal] = field(default_factory=dict)
    opened: dict[str, Named] = field(default_factory=dict)
    grouped: dict[str, Named] = field(default_factory=dict)
    poison: list[Poison] = field(default_factory=list)
    _out: IO[bytes] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def sending(self, what: str, ids: Iterable[str]) -> None:
        """Note, before the call, that it is about to be made."""
        self._write({"at": datetime.now(UTC), "what": what, "is": "sending", "ids": list(ids)})

    def answered(self, what: str, ids: Iterable[str], outcome: Outcome, why: str = "") -> None:
        """Note, after the call, how it ended."""
        self._write(
            {"at": datetime.now(UTC), "what": what, "is": outcome, "ids": list(ids), "why": why}
        )

    def usage_with(self, outcome: Outcome) -> list[Usage]:
        """Return the usage events of an outcome."""
        return [each for each in list(self.usage.values()) if each.outcome is outcome]

    def signals_with(self, outcome: Outcome) -> list[Signal]:
        """Return the signals of an outcome."""
        return [each for each in list(self.signals.values()) if each.outcome is outcome]

    def close(self) -> None:
        """Close the file."""
        if self._out is not None:
            self._out.close()

    def _write(self, line: object) -> None:
        with self._lock:
            if self._out is None:
                self._out = self.file.open("ab", buffering=0)
            self._out.write(msgspec.json.encode(line) + b"\n")


def settle(entry: Usage | Signal | Named, outcome: Outcome) -> None:
    """Keep the outcome of a call: what was acknowledged once stays acknowledged."""
    if entry.outcome is not Outcome.OK:
        entry.outcome = outcome
