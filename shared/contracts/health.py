"""What health says."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, ClassVar

from pydantic import Field

from shared.contracts.event import Fact


class GroupIdentified(Fact):
    """A product backend named an account (`group`): its traits, as sent."""

    event_type: ClassVar[str] = "io.tenure.health.group_identified.v1"
    traits: Mapping[str, Any] = Field(default_factory=dict)


class UsageRolledUp(Fact):
    """A day of an account is sealed: how many events, how many active users.

    ``active_users_28d``: distinct users of the last 28 days. A day is said again, with the new
    figures, when late events changed it.
    """

    event_type: ClassVar[str] = "io.tenure.health.usage_rolled_up.v1"
    day: date
    events: int
    active_users: int
    active_users_28d: int


class UsageMilestoneReached(Fact):
    """Usage met a milestone that the health profile defines, for the first time."""

    event_type: ClassVar[str] = "io.tenure.health.usage_milestone_reached.v1"
    milestone: str
    reached_at: datetime
    users: int


class SignalRecorded(Fact):
    """A typed observation from outside usage was recorded."""

    event_type: ClassVar[str] = "io.tenure.health.signal_recorded.v1"
    signal_id: str
    signal_type: str
    value: float | None = None
    observed_at: datetime


class ScoreChanged(Fact):
    """The health score moved beyond the dead band, or to another band. High is healthy."""

    event_type: ClassVar[str] = "io.tenure.health.score_changed.v1"
    score: float
    band: str
    previous_score: float | None = None
    previous_band: str | None = None
    coverage: float
    profile: str


class _RiskFact(Fact):
    risk_id: str
    reason: str
    severity: str
    title: str
    explanation: str
    next_step: str
    evidence: Mapping[str, Any] = Field(default_factory=dict)
    profile: str
    caused_at: datetime


class RiskOpened(_RiskFact):
    """An account is slipping away, for one reason; why, and what to do next.

    ``caused_at``: when the platform received the event that caused it.
    """

    event_type: ClassVar[str] = "io.tenure.health.risk_opened.v1"


class RiskWorsened(_RiskFact):
    """An open risk is more severe than it was."""

    event_type: ClassVar[str] = "io.tenure.health.risk_worsened.v1"


class RiskRecovered(Fact):
    """The reason for a risk is gone; it is closed."""

    event_type: ClassVar[str] = "io.tenure.health.risk_recovered.v1"
    risk_id: str
    reason: str
    explanation: str
    opened_at: datetime
    recovered_at: datetime
    still_open: str | None = Field(
        default=None, description="The reason of the same story that goes on, if one does."
    )


class ProfileActivated(Fact):
    """A version of a health profile judges accounts from now on.

    A profile concerns many accounts: ``account_id`` is ``profile:<name>``, so that its changes
    keep their order.
    """

    event_type: ClassVar[str] = "io.tenure.health.profile_activated.v1"
    profile: str
    previous: str | None = Field(
        default=None, description="The version it replaces, if one was active."
    )
    activated_by: str = Field(description="Name of the API key, or of the command's user.")


class ProfileRetired(Fact):
    """A health profile judges nobody any more; its accounts fall to the next best one.

    ``account_id`` is ``profile:<name>``.
    """

    event_type: ClassVar[str] = "io.tenure.health.profile_retired.v1"
    profile: str
    retired_by: str = Field(description="Name of the API key that did it.")


class SegmentUsageDropped(Fact):
    """A whole segment uses the product less than is normal: look at the product, not at accounts.

    The peer factor was under 80 % on five working days in a row; ``level`` is the last one, from
    so many ``accounts``. ``account_id`` is ``segment:`` and the segment's name: the unit of order.
    """

    event_type: ClassVar[str] = "io.tenure.health.segment_usage_dropped.v1"
    segment: str
    time_zone: str
    day: date
    level: float = Field(description="The segment's usage against its normal; 1 is normal.")
    accounts: int = Field(description="How many accounts it was measured on.")


class SegmentUsageRecovered(Fact):
    """A segment that was down is back: at least 80 % of normal on three working days."""

    event_type: ClassVar[str] = "io.tenure.health.segment_usage_recovered.v1"
    segment: str
    time_zone: str
    day: date
    level: float = Field(description="The segment's usage against its normal; 1 is normal.")
    opened_on: date = Field(description="The day on which it was found to be down.")


class _RiskHandled(Fact):
    risk_id: str
    reason: str
    by: str = Field(description="Who did it: a name, or that of the key they used.")
    note: str | None = Field(description="Why, in their words.")


class RiskAcknowledged(_RiskHandled):
    """Somebody takes care of an open risk."""

    event_type: ClassVar[str] = "io.tenure.health.risk_acknowledged.v1"


class RiskSnoozed(_RiskHandled):
    """Somebody put an open risk off, and said why; until then it is not told unless it worsens."""

    event_type: ClassVar[str] = "io.tenure.health.risk_snoozed.v1"
    until: datetime = Field(description="When it wakes; earlier when it worsens.")


class RiskAwoke(_RiskHandled):
    """A snoozed risk is open again: its time has come, or somebody woke it."""

    event_type: ClassVar[str] = "io.tenure.health.risk_awoke.v1"
    severity: str
    explanation: str = Field(default="", description="Why it is a risk, as it is now.")
    next_step: str = Field(default="", description="What to do next.")


class RiskMerged(Fact):
    """A risk is told with a stronger one of the same story from now on, and not by itself.

    It stands alone again, without a fact, when that one is over before it.
    """

    event_type: ClassVar[str] = "io.tenure.health.risk_merged.v1"
    risk_id: str
    reason: str
    into_risk_id: str = Field(description="The risk that tells the story.")
    into_reason: str = Field(description="Its reason.")


class RiskDismissed(_RiskHandled):
    """A person disagrees: this is no risk. It is over, and opens again only when it is worse."""

    event_type: ClassVar[str] = "io.tenure.health.risk_dismissed.v1"
    dismissed_at: datetime = Field(description="When they said so.")


class SignalRetracted(Fact):
    """A signal was a mistake: it counts no more, and what it opened is judged again."""

    event_type: ClassVar[str] = "io.tenure.health.signal_retracted.v1"
    signal_id: str
    signal_type: str
    by: str = Field(description="Who took it back.")
    note: str = Field(description="Why, in their words.")


class PulseSet(Fact):
    """A person judged an account; the judgement stands beside the score, never inside it."""

    event_type: ClassVar[str] = "io.tenure.health.pulse_set.v1"
    pulse: float = Field(description="0 to 100, high is healthy.")
    band: str
    by: str = Field(description="Who judges.")
    note: str | None = Field(description="Why, in their words.")


class DisagreementFound(Fact):
    """What a person believes and what was computed are too far apart: one of them is wrong."""

    event_type: ClassVar[str] = "io.tenure.health.disagreement_found.v1"
    disagreement_id: str
    subject: str = Field(description="score, or risk:<id>.")
    believed: str = Field(description="What the person says: a band, or no_risk.")
    computed: str = Field(description="What was computed: a band, or the severity of the risk.")
    explanation: str
    by: str = Field(description="Whose belief it is.")


class DisagreementResolved(Fact):
    """The two agree again, or a person settled it."""

    event_type: ClassVar[str] = "io.tenure.health.disagreement_resolved.v1"
    disagreement_id: str
    subject: str = Field(description="score, or risk:<id>.")
    by: str = Field(description="Who settled it; health when the two agree again.")
    note: str = Field(description="How, in their words.")


FACTS: tuple[type[Fact], ...] = (
    GroupIdentified,
    UsageRolledUp,
    UsageMilestoneReached,
    SignalRecorded,
    ScoreChanged,
    RiskOpened,
    RiskWorsened,
    RiskRecovered,
    ProfileActivated,
    ProfileRetired,
    SegmentUsageDropped,
    SegmentUsageRecovered,
    RiskAcknowledged,
    RiskSnoozed,
    RiskAwoke,
    RiskMerged,
    RiskDismissed,
    SignalRetracted,
    PulseSet,
    DisagreementFound,
    DisagreementResolved,
)
