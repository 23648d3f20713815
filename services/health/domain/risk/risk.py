"""The life of a risk: suspected, open, recovered; or merged, or dismissed by a person.

One per account and reason. What people do with an open risk is in `handling.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from services.health.domain.profile.profile import Severity


class Status(StrEnum):
    """Where a risk is in its life; people see a risk only from open on.

    A merged risk is part of another one's story. A dismissed one is none, a person says: it is
    over for everybody, and opens again only when it gets worse than what was dismissed.
    """

    SUSPECTED = "suspected"
    OPEN = "open"
    MERGED = "merged"
    RECOVERED = "recovered"
    DISMISSED = "dismissed"


class Taken(StrEnum):
    """What people do with an open risk."""

    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"


class Reason(StrEnum):
    """The reasons the platform finds by itself; signal rules of a profile add their own."""

    USAGE_DROP = "usage_drop"
    ACTIVE_USERS_DROP = "active_users_drop"
    ACTIVE_DAYS_DROP = "active_days_drop"
    USAGE_DIP = "usage_dip_week_over_week"
    SILENCE = "silence"
    LOW_SCORE = "low_score"


class Stage(StrEnum):
    """What a finding says: entry reached, neither entry nor exit, or exit reached."""

    PRESENT = "present"
    LINGERING = "lingering"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule sees at an account right now, in figures and in words for people.

    `since` is known of facts, not of figures: when the first of those it needs was observed, or
    what ended them.
    """

    account_id: str
    reason: str
    stage: Stage
    severity: Severity
    evidence: Mapping[str, float | str]
    explanation: str
    suggestion: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Handling:
    """Who has taken on an open risk, or put it off, when, and in which words."""

    taken: Taken
    by: str
    at: datetime
    note: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class RiskRule:
    """How a finding becomes a risk.

    It must be seen `confirmations` times, at least `window` apart; 1 opens at first sight. After
    recovery the same reason does not open again within `cool_down`, unless it is worse or rests on
    facts that came after what ended it.
    """

    cool_down: timedelta
    confirmations: int = 1
    window: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Risk:
    """An explained, de-duplicated problem on an account.

    `severity` is the worst seen while open: it never falls, so that a wavering figure does not
    announce the same worsening twice. `confirmed_at` is the last sighting that counted.
    `merged_into` is the id of the risk whose story it is part of. `version` counts the changes
    that matter to people. `noted` is the evidence as the timeline last showed it. `over_since` is
    when what ended it was observed, which may be told late.
    """

    account_id: str
    reason: str
    severity: Severity
    status: Status
    evidence: Mapping[str, float | str]
    explanation: str
    suggestion: str
    last_seen_at: datetime
    confirmed_at: datetime
    sightings: int = 1
    opened_at: datetime | None = None
    recovered_at: datetime | None = None
    over_since: datetime | None = None
    cool_down_until: datetime | None = None
    last_severity: Severity | None = None
    handling: Handling | None = None
    merged_into: str | None = None
    version: int = 1
    noted: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def was_told(self) -> bool:
        """Whether people were told of it, and so must be told when it is over."""
        return self.opened_at is not None and self.recovered_at is None


@dataclass(frozen=True, slots=True)
class Opened:
    """The risk is open from now on: tell people."""

    risk: Risk


@dataclass(frozen=True, slots=True)
class Worsened:
    """The open risk is more severe than it has been."""

    risk: Risk
    severity_before: Severity


@dataclass(frozen=True, slots=True)
class Recovered:
    """The open risk is over."""

    risk: Risk


@dataclass(frozen=True, slots=True)
class Merged:
    """The risk is part of a stronger one's story from now on."""

    risk: Risk


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing to tell; the risk, if any, is to be saved with its fresh evidence."""

    risk: Risk | None


Decision = Opened | Worsened | Recovered | Merged | Unchanged
