"""How an account is monitored, and what people decide about it."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from services.health.api.shapes import Text
from services.health.domain.detector.decisions import DecisionKind, Unwatched
from services.health.domain.detector.monitoring import Monitoring, days_left, monitoring_of
from services.health.domain.detector.record import Record
from services.health.storage.account.accounts import PeerGroup
from services.health.storage.detector import alarms, detector, monitoring
from services.health.storage.detector.detector import Kept
from services.health.usecases.accounts import AccountUnknown, known_account
from services.health.usecases.detector.monitoring import (
    DecisionUnknown,
    GapEndsBeforeItBegins,
    GapTooLong,
    NotJudgedYet,
    NotSuspended,
    accept_new_normal,
    add_known_gap,
    resume,
    suspend,
    withdraw,
)
from shared.auth.principal import Principal
from shared.db.transaction import Row
from shared.web.deps import Tx, authorize
from shared.web.fields import Day
from shared.web.openapi import responses
from shared.web.routing import api_router

router = api_router("/api/v1/accounts", tags=["monitoring"])
Reader = Annotated[Principal, authorize("health:read")]
Writer = Annotated[Principal, authorize("health:write")]
AccountId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$")]
Reason = Annotated[Text, Field(min_length=1, max_length=500, description="Why, in a sentence.")]
_WORDS = {
    Monitoring.WARMING_UP: "warming up: {days} more days until drops can be told",
    Monitoring.MONITORED: "monitored against its own normal",
    Monitoring.TOO_LITTLE_USAGE: "too little usage to monitor; its active days are watched instead",
    Monitoring.SUSPENDED: "suspended",  # and since when, where a decision says so
}


class MetricMonitoring(BaseModel):
    """How one metric of an account is monitored, and what its last judged day said."""

    metric: str
    state: Monitoring
    in_words: str
    days_left: int = Field(description="Days of warming up that are left.")
    day: date
    a_week: float = Field(description="Counts in a normal week.")
    ratio: float = Field(description="Usage against the account's own normal; 1 is normal.")
    probability_down: float = Field(description="How sure it is down by more than 30 %.")


class DecisionView(BaseModel):
    """What somebody decided about monitoring."""

    id: UUID
    kind: DecisionKind
    from_day: date
    until_day: date | None
    reason: str
    decided_by: str
    decided_at: datetime


class AccountMonitoring(BaseModel):
    """How an account is monitored, what was decided, and whether its whole segment is down."""

    account_id: str
    metrics: list[MetricMonitoring]
    decisions: list[DecisionView]
    segment_is_down: bool


class Because(BaseModel):
    """A decision and its reason."""

    model_config = ConfigDict(extra="forbid")
    reason: Reason


class Suspend(Because):
    """From when monitoring is suspended, and until when; both may be left out."""

    from_day: Day | None = Field(default=None, description="Default: the last judged day.")
    until_day: Day | None = Field(default=None, description="The last day; default: until resumed.")


class KnownGap(Because):
    """Days, past or future, that say nothing about the account."""

    from_day: Day
    until_day: Day = Field(description="The last day, inclusive.")


class Decided(BaseModel):
    """The id of the decision, to take it back by."""

    id: UUID


class Resumed(BaseModel):
    """The last day that was passed over."""

    suspended_through: date


@router.get("/{account_id}/monitoring", responses=responses(AccountUnknown))
async def get_monitoring(account_id: AccountId, _who: Reader, tx: Tx) -> AccountMonitoring:
    """Show how each metric of an account is monitored, and what people decided about it."""
    row = await known_account(tx, account_id)
    rows = await detector.kept(tx, [account_id])
    kept, off = rows.get(account_id), (await monitoring.unwatched_of(tx, rows)).get(account_id)
    group = PeerGroup(row["segment"], row["time_zone"])
    return AccountMonitoring(
        account_id=account_id,
        metrics=[_metric(kept, name, off) for name in kept.metrics] if kept else [],
        decisions=[_decision(one) for one in await monitoring.listed(tx, account_id)],
        segment_is_down=await alarms.open_segment_alarm(tx, group) is not None,
    )


@router.post(
    "/{account_id}/monitoring/new-normal",
    status_code=201,
    responses=responses(AccountUnknown, NotJudgedYet),
)
async def post_new_normal(account_id: AccountId, body: Because, who: Writer, tx: Tx) -> Decided:
    """Accept usage as it is now as the account's normal: an open drop is over."""
    return Decided(id=await accept_new_normal(tx, account_id, body.reason, who.source))


@router.post(
    "/{account_id}/monitoring/suspend",
    status_code=201,
    responses=responses(AccountUnknown, NotJudgedYet, GapEndsBeforeItBegins),
)
async def post_suspend(account_id: AccountId, body: Suspend, who: Writer, tx: Tx) -> Decided:
    """Suspend monitoring: days are neither judged nor learned from until it is resumed."""
    days = (body.from_day, body.until_day)
    return Decided(id=await suspend(tx, account_id, days, body.reason, who.source))


@router.post("/{account_id}/monitoring/resume", responses=responses(AccountUnknown, NotSuspended))
async def post_resume(account_id: AccountId, _who: Writer, tx: Tx) -> Resumed:
    """Judge the account again from the next day on."""
    return Resumed(suspended_through=await resume(tx, account_id))


@router.post(
    "/{account_id}/monitoring/known-gaps",
    status_code=201,
    responses=responses(AccountUnknown, GapEndsBeforeItBegins, GapTooLong),
)
async def post_known_gap(account_id: AccountId, body: KnownGap, who: Writer, tx: Tx) -> Decided:
    """Say that some days, past or future, say nothing; past days are judged again at once."""
    days = (body.from_day, body.until_day)
    return Decided(id=await add_known_gap(tx, account_id, days, body.reason, who.source))


@router.delete(
    "/{account_id}/monitoring/decisions/{decision_id}",
    status_code=204,
    responses=responses(DecisionUnknown),
)
async def delete_decision(account_id: AccountId, decision_id: UUID, _who: Writer, tx: Tx) -> None:
    """Take a decision back, as if it had never been made; its days are judged again."""
    await withdraw(tx, account_id, decision_id)


def _metric(kept: Kept, name: str, off: Unwatched | None) -> MetricMonitoring:
    record: Record = kept.of(name)
    (state,), (left,) = monitoring_of(record, kept.is_off), days_left(record)
    return MetricMonitoring(
        metric=name,
        state=state,
        in_words=f"suspended: {off.in_words()}" if off else _WORDS[state].format(days=left),
        days_left=left,
        day=off.last_judged if off else kept.day,
        a_week=float(record.level[0] * 7),
        ratio=float(record.ratio[0]),
        probability_down=float(record.probability[0]),
    )


def _decision(row: Row) -> DecisionView:
    return DecisionView(**{name: row[name] for name in DecisionView.model_fields})
