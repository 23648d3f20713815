"""Messages: what people are told, and how it is known that it was said before."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from uuid import UUID

from services.notifications.domain.kinds import MessageKind
from services.notifications.domain.severity import Severity


@dataclass(frozen=True, slots=True)
class Notice:
    """What a fact says to people, before it is known whom.

    ``explanation`` says why, ``next_step`` what to do. ``subject`` is what it is about, as
    ``<sort>:<id>``. ``happened_at``: when the cause reached the platform.
    """

    account_id: str
    kind: MessageKind
    reason: str
    severity: Severity
    title: str
    explanation: str
    next_step: str
    subject: str
    happened_at: datetime

    def key(self, episode: int) -> str:
        """Return the business key: the same words about the same thing have the same key.

        ``episode`` counts how often the subject had this reason: at risk, restored and at risk
        again is something new to say. What recurs within an episode is told apart by its time.
        """
        _, _, subject_id = self.subject.partition(":")
        key = f"{self.account_id}:{self.reason}:{subject_id}:{self.kind}"
        if self.kind is MessageKind.RISK_WORSENED:
            key = f"{key}:{self.severity}"
        if self.kind.recurs:
            key = f"{key}:{self.happened_at.astimezone(UTC).isoformat()}"
        return key if episode == 1 else f"{key}#{episode}"


@dataclass(frozen=True, slots=True)
class Message:
    """A notice with an identity. ``rules`` is the version of the rules that routed it."""

    id: UUID
    notice: Notice
    key: str
    rules: str
    created_at: datetime

    @classmethod
    def of(
        cls, notice: Notice, message_id: UUID, *, episode: int, rules: str, at: datetime
    ) -> Self:
        """Return the message of a notice."""
        return cls(message_id, notice, notice.key(episode), rules, at)

    @property
    def links(self) -> Mapping[str, str]:
        """Where to read on, as API paths by name."""
        return {"account": f"/api/v1/accounts/{self.notice.account_id}"}


@dataclass(frozen=True, slots=True)
class Situation:
    """A reason that holds for a subject, from when it was opened until it is closed."""

    account_id: str
    subject: str
    reason: str
    severity: Severity
    episode: int
    opened_at: datetime
    closed_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether the reason still holds."""
        return self.closed_at is None

    @classmethod
    def opened(cls, notice: Notice, before: "Situation | None") -> "Situation":
        """Return the situation after an alarm: a new one, the next episode, or a worse one."""
        if before is not None and before.is_open:
            worst = max(before.severity, notice.severity, key=lambda severity: severity.rank)
            return cls._like(notice, worst, before.episode, before.opened_at)
        episode = 1 if before is None else before.episode + 1
        return cls._like(notice, notice.severity, episode, notice.happened_at)

    def closed(self, at: datetime) -> "Situation":
        """Return the situation after the all-clear."""
        return Situation(
            self.account_id,
            self.subject,
            self.reason,
            self.severity,
            self.episode,
            self.opened_at,
            at,
        )

    @classmethod
    def _like(
        cls, notice: Notice, severity: Severity, episode: int, opened_at: datetime
    ) -> "Situation":
        return cls(notice.account_id, notice.subject, notice.reason, severity, episode, opened_at)
