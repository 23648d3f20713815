"""Pulses: what people think of an account, beside what was computed."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.health.api.shapes import AccountId, By, Reader, Text, Writer
from services.health.domain.profile.profile import Profile
from services.health.domain.risk.disagreement import pulse_of_band, pulse_of_rating
from services.health.domain.score.score import Band
from services.health.storage.account import accounts
from services.health.storage.risk import pulses
from services.health.usecases.accounts import AccountUnknown, known_account
from services.health.usecases.profile.profiles import PROFILES
from services.health.usecases.risk.pulse import set_pulse
from shared.db.transaction import Row
from shared.web.deps import Tx
from shared.web.fields import Number, Whole
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import api_router

router = api_router("/api/v1/accounts", tags=["pulse"])


class PulseBody(BaseModel):
    """A judgement, in one of three ways: a rating, a value or a band."""

    model_config = ConfigDict(extra="forbid")

    rating: Annotated[Whole, Field(ge=1, le=5)] | None = Field(
        default=None, description="1 is as good as lost, 5 could not be better."
    )
    value: Annotated[Number, Field(ge=0, le=100)] | None = Field(
        default=None, description="0 to 100, high is healthy."
    )
    band: Band | None = Field(default=None, description="healthy, watch or at_risk.")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        ways = {"rating": self.rating, "value": self.value, "band": self.band}
        given = [name for name, sent in ways.items() if sent is not None]
        if len(given) != 1:
            sent = " and ".join(given) or "none"
            raise ValueError(f"send one of rating (1 to 5), value (0 to 100) or band, not {sent}")
        if self.band is Band.UNKNOWN:
            raise ValueError("send the band healthy, watch or at_risk; unknown is no judgement")
        return self


class NewPulse(PulseBody, By):
    """What somebody thinks of an account."""

    comment: Text | None = Field(default=None, min_length=1, max_length=2000)


class PulseView(BaseModel):
    """A judgement of an account."""

    id: UUID
    value: float = Field(description="0 to 100, high is healthy.")
    band: Band
    comment: str | None
    by: str
    at: datetime


@router.post("/{account_id}/pulse", status_code=201, responses=responses(AccountUnknown))
async def create_pulse(account_id: AccountId, body: NewPulse, who: Writer, tx: Tx) -> PulseView:
    """Say what you think of an account. It stands beside the score and is never mixed into it.

    When it and the score are too far apart, that is a disagreement.
    """
    await known_account(tx, account_id)
    # Also its row's lock: of two judgements at once the later one sees the other.
    await accounts.ensure(tx, account_id, tx.now)
    words = (body.by or who.name, body.comment)
    value = pulse_value(body, await PROFILES.for_account(tx, account_id))
    pulse = await set_pulse(tx, account_id, value, words)
    return _pulse(pulse._asdict())


@router.get("/{account_id}/pulse", responses=responses(AccountUnknown, InvalidCursor))
async def list_pulses(
    account_id: AccountId, _who: Reader, tx: Tx, paging: PageQuery
) -> Page[PulseView]:
    """List what people thought of an account, newest first."""
    await known_account(tx, account_id)
    after = paging.after(id=UUID)
    before = after["id"] if after else None
    rows = await pulses.listed(tx, account_id, before=before, limit=paging.fetch)
    return paging.page(rows, item=_pulse, key=lambda row: {"id": row["id"]})


def pulse_value(body: PulseBody, profile: Profile) -> float:
    """Return a judgement as 0 to 100."""
    if body.rating is not None:
        return pulse_of_rating(body.rating)
    return pulse_of_band(body.band, profile.bands) if body.band else float(body.value or 0.0)


def _pulse(row: Row | dict[str, object]) -> PulseView:
    return PulseView.model_validate({name: row[name] for name in PulseView.model_fields})
