"""The drop detector as a whole: its alert budget, segment alarms, known gaps of segments."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from services.health.api.monitoring import Decided, KnownGap, Reader, Writer
from services.health.domain.detector.budget import band_name
from services.health.domain.detector.monitoring import Monitoring
from services.health.storage.account import accounts
from services.health.storage.detector import alarms, detector, monitoring
from services.health.storage.detector.alarms import InForce
from services.health.usecases.detector.monitoring import (
    GapEndsBeforeItBegins,
    GapTooLong,
    GapUnknown,
    SegmentUnknown,
    add_segment_gap,
    withdraw_segment_gap,
)
from services.health.usecases.profile.profiles import PROFILES
from shared.db.transaction import Row
from shared.web.deps import Tx
from shared.web.openapi import responses
from shared.web.routing import api_router

router = api_router("/api/v1/detector", tags=["monitoring"])
_SEEN_DAYS = 90
_TELLING_DAYS = 28
_SHOWN_ALARMS = 100


class ThresholdView(BaseModel):
    """How sure the detector must be in one volume band, and why."""

    profile: str = Field(description="Whose accounts it is for, and whose budget it keeps to.")
    metric: str
    band: str
    p_star: float
    version: int = Field(description="The figure a risk's evidence names.")
    in_words: str
    alarms_per_100_accounts_a_month: float = Field(
        description="What it would have raised on the history it was chosen on."
    )
    account_months: float
    months: int
    is_calibrated: bool
    calibrated_at: datetime


class SeenView(BaseModel):
    """Drop alarms that were really raised."""

    days: float
    alarms: int
    by_reason: dict[str, int]
    alarms_per_100_accounts_a_month: float | None = Field(
        description="null before four weeks were seen: a few days say nothing about a month."
    )


class DetectorView(BaseModel):
    """The budget, the thresholds that keep to it, and what came of it."""

    alerts_per_100_accounts_a_month: float = Field(description="The budget of the default profile.")
    in_words: str
    seen: SeenView
    accounts: dict[Monitoring, int]
    thresholds: list[ThresholdView]


class SegmentAlarmView(BaseModel):
    """A whole segment that is, or was, under 80 % of its normal."""

    id: UUID
    segment: str
    time_zone: str
    opened_on: date
    recovered_on: date | None
    level: float
    accounts: int


class SegmentGap(KnownGap):
    """Days that say nothing about a segment, such as holidays or an outage of the product."""

    segment: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="Default: all segments."
    )


class SegmentGapView(BaseModel):
    """Known days that say nothing about a segment; no segment means all."""

    id: UUID
    segment: str | None
    from_day: date
    until_day: date
    reason: str
    decided_by: str
    decided_at: datetime


@router.get("")
async def get_detector(_who: Reader, tx: Tx) -> DetectorView:
    """Show the alert budget, the thresholds chosen for it, and the alarms really raised."""
    states = await detector.count_by_state(tx)
    live_since = await accounts.live_since(tx) or tx.now
    days = min(_SEEN_DAYS, max(1.0, (tx.now - live_since) / timedelta(days=1)))
    by_reason = await alarms.seen_last(tx, tx.now - timedelta(days=days))
    book = await PROFILES.current(tx)
    budget = book.default.drop.alerts_per_100_a_month
    known = {one.name: await alarms.in_force(tx, one.name) for one in book.profiles}
    return DetectorView(
        alerts_per_100_accounts_a_month=budget,
        in_words=f"about {budget:g} drop alerts a month for every 100 monitored accounts",
        seen=_seen(by_reason, days, states.get(Monitoring.MONITORED, 0)),
        accounts=states,
        thresholds=[
            _threshold(profile, metric, one)
            for profile, of_profile in sorted(known.items())
            for (metric, _), one in sorted(of_profile.items())
        ],
    )


@router.get("/segment-alarms")
async def list_segment_alarms(_who: Reader, tx: Tx) -> list[SegmentAlarmView]:
    """List segments that are or were down as a whole, newest first."""
    rows = await alarms.list_segment_alarms(tx, _SHOWN_ALARMS)
    return [
        SegmentAlarmView(**{name: row[name] for name in SegmentAlarmView.model_fields})
        for row in rows
    ]


@router.get("/known-gaps")
async def list_known_gaps(_who: Reader, tx: Tx) -> list[SegmentGapView]:
    """List the days that say nothing about a segment, latest first."""
    return [_gap(row) for row in await monitoring.list_gaps(tx)]


@router.post(
    "/known-gaps",
    status_code=201,
    responses=responses(SegmentUnknown, GapEndsBeforeItBegins, GapTooLong),
)
async def post_segment_gap(body: SegmentGap, who: Writer, tx: Tx) -> Decided:
    """Neither judge nor learn from some days of a segment; past days are judged again."""
    days = (body.from_day, body.until_day)
    return Decided(id=await add_segment_gap(tx, body.segment, days, body.reason, who.source))


@router.delete("/known-gaps/{gap_id}", status_code=204, responses=responses(GapUnknown))
async def delete_segment_gap(gap_id: UUID, _who: Writer, tx: Tx) -> None:
    """Take a known gap back; its days are judged again."""
    await withdraw_segment_gap(tx, gap_id)


def _gap(row: Row) -> SegmentGapView:
    return SegmentGapView(**{name: row[name] for name in SegmentGapView.model_fields})


def _seen(by_reason: Mapping[str, int], days: float, monitored: int) -> SeenView:
    total = sum(by_reason.values())
    months = days / (365.25 / 12)
    is_telling = monitored > 0 and days >= _TELLING_DAYS
    return SeenView(
        days=days,
        alarms=total,
        by_reason=dict(by_reason),
        alarms_per_100_accounts_a_month=100 * total / (monitored * months) if is_telling else None,
    )


def _threshold(profile: str, metric: str, one: InForce) -> ThresholdView:
    threshold = one.threshold
    why = (
        f"chosen on {threshold.account_months:.0f} account-months of {threshold.months} months"
        if threshold.is_calibrated
        else f"the profile's start value: only {threshold.account_months:.0f} account-months so far"
    )
    return ThresholdView(
        profile=profile,
        metric=metric,
        band=band_name(threshold.band),
        p_star=threshold.p_star,
        version=one.version,
        in_words=f"an alarm when {threshold.p_star:.1%} sure; {why}",
        alarms_per_100_accounts_a_month=threshold.alarms_per_100_a_month,
        account_months=threshold.account_months,
        months=threshold.months,
        is_calibrated=threshold.is_calibrated,
        calibrated_at=one.calibrated_at,
    )
