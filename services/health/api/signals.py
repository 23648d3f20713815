"""Signals: typed observations from outside usage."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.health.api.shapes import AccountId, BodyAccountId, Reader, Reason, Text, Writer
from services.health.domain.signal.catalogue import EARLIEST, SignalValueInvalid
from services.health.storage.signal import signals
from services.health.usecases.signal.signals import (
    Reported,
    SignalNotFound,
    SignalRetractedAlready,
    UnknownSignalType,
    record_signal,
    retract_signal,
)
from shared.auth.principal import Principal
from shared.db.transaction import Row, Transaction
from shared.kernel.errors import Invalid, Refusal
from shared.web.deps import Tx
from shared.web.fields import Moment, Number
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import api_router

router = api_router("/api/v1", tags=["signals"])


def _since_1970(moment: datetime) -> datetime:
    if moment < EARLIEST:
        raise ValueError("Choose a time since 1970")
    return moment


_ObservedAt = Annotated[Moment, AfterValidator(_since_1970)]


class SignalInFuture(Invalid):
    """A signal cannot have been observed in the future."""


_REFUSED = (UnknownSignalType, SignalValueInvalid, SignalInFuture)


class NewSignal(BaseModel):
    """A signal to record. The same ``external_id`` from the same key is one signal."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"type": "payment_failed", "external_id": "in_1042"}]},
    )

    type: str = Field(min_length=1, max_length=100, description="A type of the catalogue.")
    value: Number | Text | None = Field(
        default=None, description="A number, or the name of a choice, as the type asks for."
    )
    observed_at: _ObservedAt | None = Field(default=None, description="Default: now.")
    external_id: Text | None = Field(default=None, min_length=1, max_length=200)


class SignalOfAccount(NewSignal):
    """A signal of a list: it names its account."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"account_id": "acme", "type": "nps_answered", "value": 9}]
        },
    )

    account_id: BodyAccountId


class SignalBatch(BaseModel):
    """Up to 500 signals; each is recorded or refused by itself."""

    model_config = ConfigDict(extra="forbid")

    signals: list[SignalOfAccount] = Field(min_length=1, max_length=500)


class RecordedSignal(BaseModel):
    """The id of the signal; null when it was recorded before."""

    id: UUID | None
    recorded: bool


class SignalOutcome(RecordedSignal):
    """What became of one signal of a list; ``code`` and ``message`` say why it was refused."""

    index: int
    code: str | None = None
    message: str | None = None


class BatchOutcome(BaseModel):
    """What became of a list of signals, in its order."""

    recorded: int
    refused: int
    outcomes: list[SignalOutcome]


class SignalView(BaseModel):
    """A signal as it was recorded."""

    id: UUID
    type: str
    value: float | None
    observed_at: datetime
    recorded_at: datetime
    source: str
    external_id: str | None
    retracted_at: datetime | None = Field(description="Since when it counts no more.")
    retracted_by: str | None
    retraction: str | None = Field(description="Why it was taken back.")


@router.post("/accounts/{account_id}/signals", status_code=201, responses=responses(*_REFUSED))
async def create_signal(
    account_id: AccountId, body: NewSignal, who: Writer, tx: Tx
) -> RecordedSignal:
    """Record a signal; the risks it opens or closes are known before the answer."""
    return await _record(tx, account_id, body, who)


@router.post("/signals")
async def create_signals(body: SignalBatch, who: Writer, tx: Tx) -> BatchOutcome:
    """Record up to 500 signals; a wrong one is refused by itself and does not stop the others."""
    outcomes: dict[int, SignalOutcome] = {}
    # By account: two lists that name the same accounts must not wait for each other in a circle.
    for index, each in sorted(enumerate(body.signals), key=lambda pair: pair[1].account_id):
        try:
            done = await _record(tx, each.account_id, each, who)
            outcomes[index] = SignalOutcome(index=index, **done.model_dump())
        except _REFUSED as error:
            outcomes[index] = _refused(index, error)
    return BatchOutcome(
        recorded=sum(outcome.recorded for outcome in outcomes.values()),
        refused=sum(outcome.code is not None for outcome in outcomes.values()),
        outcomes=[outcomes[index] for index in range(len(outcomes))],
    )


@router.post(
    "/accounts/{account_id}/signals/{signal_id}/retract",
    status_code=204,
    responses=responses(SignalNotFound, SignalRetractedAlready),
)
async def retract_one_signal(
    account_id: AccountId, signal_id: UUID, body: Reason, who: Writer, tx: Tx
) -> None:
    """Take back a signal that was a mistake; what it opened is judged again before the answer.

    It stays in the list with who took it back and why, and counts no more.
    """
    words = body.words(who)
    await retract_signal(tx, account_id, signal_id, (words.by, body.reason))


@router.get("/accounts/{account_id}/signals", responses=responses(InvalidCursor))
async def list_signals(
    account_id: AccountId, _who: Reader, tx: Tx, paging: PageQuery
) -> Page[SignalView]:
    """List an account's signals, newest first."""
    after = paging.after(observed_at=datetime, id=UUID)
    before = (after["observed_at"], after["id"]) if after else None
    rows = await signals.listed(tx, account_id, before=before, limit=paging.fetch)
    return paging.page(
        rows, item=_signal, key=lambda row: {"observed_at": row["observed_at"], "id": row["id"]}
    )


async def _record(
    tx: Transaction, account_id: str, body: NewSignal, who: Principal
) -> RecordedSignal:
    at = body.observed_at or tx.now
    if at > tx.now:
        raise SignalInFuture(
            f"observed_at {at.isoformat()} is after {tx.now.isoformat()}; send when it was "
            "observed, or leave it out for now"
        )
    reported = Reported(body.type, at, body.value)
    recorded = await record_signal(tx, account_id, reported, (who.source, body.external_id))
    return RecordedSignal(id=UUID(recorded) if recorded else None, recorded=recorded is not None)


def _refused(index: int, error: Refusal) -> SignalOutcome:
    return SignalOutcome(
        index=index, id=None, recorded=False, code=error.code(), message=error.detail
    )


def _signal(row: Row) -> SignalView:
    return SignalView(**{name: row[name] for name in SignalView.model_fields})
