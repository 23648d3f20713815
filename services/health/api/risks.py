"""Risks: what is wrong, since when, why, what to do, and what people do about it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import Header, Query, Response
from pydantic import BaseModel, Field

from services.health.api.pulse import PulseBody, pulse_value
from services.health.api.shapes import Note, Reader, Reason, Writer
from services.health.domain.profile.book import ProfileBook
from services.health.domain.risk.handling import RiskNotOpen, RiskNotSnoozed, SnoozeTooLong
from services.health.domain.risk.risk import Risk, Taken
from services.health.storage.risk import risks
from services.health.usecases.profile.profiles import PROFILES
from services.health.usecases.risk.handling import (
    RiskNotFound,
    acknowledge_risk,
    comment_on_risk,
    dismiss_risk,
    risk_to_change,
    snooze_risk,
    wake_risk,
)
from services.health.usecases.risk.pulse import set_pulse
from services.health.usecases.risk.risks import title_of
from shared.db.transaction import Row, Transaction
from shared.web.deps import Tx
from shared.web.etags import PreconditionFailed, check_version, if_match, set_etag
from shared.web.fields import Moment
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import api_router

router = api_router("/api/v1", tags=["risks"])
_CHANGE = responses(RiskNotFound, RiskNotOpen, PreconditionFailed)
_WAKE = responses(RiskNotFound, RiskNotOpen, RiskNotSnoozed, PreconditionFailed)
_SNOOZE = responses(RiskNotFound, RiskNotOpen, SnoozeTooLong, PreconditionFailed)
Expected = Annotated[
    str | None,
    Header(alias="If-Match", description="The ETag you read, so that nobody's change is lost."),
]


class RiskStatus(StrEnum):
    """Where a risk is in its life."""

    OPEN = "open"
    MERGED = "merged"
    RECOVERED = "recovered"
    DISMISSED = "dismissed"


_OVER = {
    RiskStatus.RECOVERED: "Nothing has to be done any more.",
    RiskStatus.DISMISSED: "Nothing has to be done: a person said that it is no risk.",
}


class HandlingView(BaseModel):
    """Who has taken on an open risk, or put it off."""

    taken: Taken
    by: str
    at: datetime
    note: str | None
    until: datetime | None = Field(description="When a snoozed risk wakes.")


class RiskView(BaseModel):
    """A risk as people read it."""

    id: UUID
    account_id: str
    reason: str
    title: str
    severity: str
    status: RiskStatus
    explanation: str
    next_step: str
    evidence: Mapping[str, float | str]
    opened_at: datetime
    last_seen_at: datetime
    recovered_at: datetime | None
    handling: HandlingView | None = Field(description="Null while nobody has taken it on.")
    merged_into: UUID | None = Field(description="The risk whose story it is part of.")
    version: int = Field(description="Counts the changes that matter to people; the ETag.")


class RiskEventView(BaseModel):
    """Something that happened to a risk."""

    at: datetime
    kind: str
    by: str | None
    note: str | None
    details: dict[str, Any]


class RiskDetail(RiskView):
    """A risk with what is told with it, and everything that happened to it."""

    merged: list[RiskView]
    timeline: list[RiskEventView]


class Snooze(Reason):
    """Puts a risk off."""

    until: Moment = Field(description="When it wakes, at most 180 days from now.")


class Disagreement(Reason):
    """Says that a risk is none; it may carry what you think of the account instead."""

    pulse: PulseBody | None = None


@router.get("/risks", responses=responses(InvalidCursor))
async def list_risks(
    _who: Reader,
    tx: Tx,
    paging: PageQuery,
    status: Annotated[RiskStatus | None, Query()] = None,
    account_id: Annotated[str | None, Query(max_length=128)] = None,
) -> Page[RiskView]:
    """List risks, newest first."""
    after = paging.after(opened_at=datetime, id=UUID)
    rows = await risks.listed(
        tx,
        account_id=account_id,
        status=status.value if status else None,
        before=(after["opened_at"], after["id"]) if after else None,
        limit=paging.fetch,
    )
    book = await PROFILES.current(tx)
    return paging.page(
        rows,
        item=partial(_risk, book),
        key=lambda row: {"opened_at": row["opened_at"], "id": row["id"]},
    )


@router.get("/risks/{risk_id}", responses=responses(RiskNotFound))
async def get_risk(risk_id: UUID, _who: Reader, tx: Tx, response: Response) -> RiskDetail:
    """Show a risk, what is told with it, and its whole timeline."""
    return await _shown(tx, risk_id, response)


@router.post("/risks/{risk_id}/acknowledge", responses=_CHANGE)
async def acknowledge(  # noqa: PLR0913, PLR0917 - what a FastAPI route asks for
    risk_id: UUID, body: Note, who: Writer, tx: Tx, response: Response, expected: Expected = None
) -> RiskDetail:
    """Say that you take care of it. A snoozed risk is woken by it."""
    risk = await _to_change(tx, risk_id, expected)
    await acknowledge_risk(tx, risk_id, risk, body.words(who))
    return await _shown(tx, risk_id, response)


@router.post("/risks/{risk_id}/snooze", responses=_SNOOZE)
async def snooze(  # noqa: PLR0913, PLR0917 - what a FastAPI route asks for
    risk_id: UUID, body: Snooze, who: Writer, tx: Tx, response: Response, expected: Expected = None
) -> RiskDetail:
    """Put it off, and say why. It wakes at its time, and at once when it gets more severe."""
    risk = await _to_change(tx, risk_id, expected)
    await snooze_risk(tx, risk_id, risk, body.words(who), body.until)
    return await _shown(tx, risk_id, response)


@router.post("/risks/{risk_id}/unsnooze", responses=_WAKE)
async def unsnooze(  # noqa: PLR0913, PLR0917 - what a FastAPI route asks for
    risk_id: UUID, body: Note, who: Writer, tx: Tx, response: Response, expected: Expected = None
) -> RiskDetail:
    """Wake a snoozed risk before its time."""
    risk = await _to_change(tx, risk_id, expected)
    await wake_risk(tx, risk_id, risk, body.words(who))
    return await _shown(tx, risk_id, response)


@router.post("/risks/{risk_id}/disagree", responses=_CHANGE)
async def disagree(  # noqa: PLR0913, PLR0917 - what a FastAPI route asks for
    risk_id: UUID,
    body: Disagreement,
    who: Writer,
    tx: Tx,
    response: Response,
    expected: Expected = None,
) -> RiskDetail:
    """Say that this is no risk. It is over, and opens again only when it gets more severe.

    The disagreement is an item of its own until the reason is gone or somebody settles it.
    """
    risk = await _to_change(tx, risk_id, expected)
    words = body.words(who)
    await dismiss_risk(tx, risk_id, risk, words)
    if body.pulse is not None:
        profile = await PROFILES.for_account(tx, risk.account_id)
        value = pulse_value(body.pulse, profile)
        await set_pulse(tx, risk.account_id, value, (words.by, words.note))
    return await _shown(tx, risk_id, response)


@router.post("/risks/{risk_id}/comment", responses=responses(RiskNotFound))
async def comment(
    risk_id: UUID, body: Reason, who: Writer, tx: Tx, response: Response
) -> RiskDetail:
    """Add words to its timeline."""
    risk = await _to_change(tx, risk_id, None)
    await comment_on_risk(tx, risk_id, risk, body.words(who))
    return await _shown(tx, risk_id, response)


async def _to_change(tx: Transaction, risk_id: UUID, expected: str | None) -> Risk:
    risk = await risk_to_change(tx, risk_id)
    if expected is not None:
        check_version(await if_match(expected), risk.version)
    return risk


async def _shown(tx: Transaction, risk_id: UUID, response: Response) -> RiskDetail:
    row = await risks.find(tx, risk_id)
    if row is None:
        raise RiskNotFound
    book = await PROFILES.current(tx)
    view = _risk(book, row)
    set_etag(response, view.version)
    return RiskDetail(
        **view.model_dump(),
        merged=[_risk(book, one) for one in await risks.merged_into(tx, view.account_id, risk_id)],
        timeline=[RiskEventView(**_event(one)) for one in await risks.timeline(tx, risk_id)],
    )


def _event(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in RiskEventView.model_fields}


def _risk(book: ProfileBook, row: Row) -> RiskView:
    risk = msgspec.convert(row["risk"], Risk)
    return RiskView(
        id=row["id"],
        account_id=row["account_id"],
        reason=str(risk.reason),
        title=title_of(str(risk.reason), book),
        severity=risk.severity.name.lower(),
        status=RiskStatus(row["status"]),
        explanation=risk.explanation,
        next_step=_OVER.get(RiskStatus(row["status"]), risk.suggestion),
        evidence=risk.evidence,
        opened_at=row["opened_at"],
        last_seen_at=risk.last_seen_at,
        recovered_at=risk.recovered_at,
        handling=_handling(risk),
        merged_into=UUID(risk.merged_into) if risk.merged_into else None,
        version=risk.version,
    )


def _handling(risk: Risk) -> HandlingView | None:
    if risk.handling is None:
        return None
    return HandlingView(
        **{name: getattr(risk.handling, name) for name in HandlingView.model_fields}
    )
