"""Signals: typed observations from outside usage."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.health.domain.score.score import Signal
from services.health.storage import signals
from services.health.usecases.profiles import PROFILES
from services.health.usecases.signals import UnknownSignalType, record_signal
from shared.auth.principal import Principal
from shared.db.transaction import Row
from shared.kernel.errors import Invalid
from shared.web.deps import Tx, authorize
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import api_router

router = api_router("/api/v1/accounts", tags=["signals"])
Reader = Annotated[Principal, authorize("health:read")]
Writer = Annotated[Principal, authorize("health:write")]
AccountId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$")]
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class SignalInFuture(Invalid):
    """A signal cannot have been observed in the future."""


class NewSignal(BaseModel):
    """A signal to record. The same ``external_id`` from the same key is one signal."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"type": "payment_failed", "external_id": "in_1042"}]},
    )

    type: str = Field(min_length=1, max_length=100, description="A type the profile knows.")
    value: float | None = Field(default=None, allow_inf_nan=False)
    observed_at: AwareDatetime | None = Field(
        default=None, ge=_EARLIEST, description="Default: now."
    )
    external_id: str | None = Field(default=None, min_length=1, max_length=200)


class RecordedSignal(BaseModel):
    """The id of the signal; null when it was recorded before."""

    id: UUID | None
    recorded: bool


class SignalView(BaseModel):
    """A signal as it was recorded."""

    id: UUID
    type: str
    value: float | None
    observed_at: datetime
    recorded_at: datetime
    source: str
    external_id: str | None


@router.post(
    "/{account_id}/signals",
    status_code=201,
    responses=responses(UnknownSignalType, SignalInFuture),
)
async def create_signal(
    account_id: AccountId, body: NewSignal, who: Writer, tx: Tx
) -> RecordedSignal:
    """Record a signal; the risks it opens or closes are known before the answer."""
    at = body.observed_at or tx.now
    if at > tx.now:
        raise SignalInFuture(f"observed_at {at.isoformat()} is after {tx.now.isoformat()}")
    signal = Signal(body.type, at, body.value)
    profile = await PROFILES.for_account(tx, account_id)
    recorded = await record_signal(tx, account_id, signal, profile, (who.source, body.external_id))
    return RecordedSignal(id=UUID(recorded) if recorded else None, recorded=recorded is not None)


@router.get("/{account_id}/signals", responses=responses(InvalidCursor))
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


def _signal(row: Row) -> SignalView:
    return SignalView(**{name: row[name] for name in SignalView.model_fields})
