"""Models of loss: fitted to the renewals on record, in force once they are shown to be better."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from services.health.api.backtests import PlanSettings, Queued, UnknownProfile, profile_named
from services.health.domain.backtest.plan import PlanInvalid
from services.health.storage.score import fitted
from services.health.usecases.backtest.backtests import Question, TooManyBacktests, ask
from services.health.usecases.score.fitted import (
    ModelNotBetter,
    ModelOfOtherVersion,
    UnknownModel,
    activate_model,
)
from shared.auth.principal import Principal
from shared.db.transaction import Row
from shared.kernel.errors import Invalid
from shared.web.deps import Tx, authorize
from shared.web.openapi import responses
from shared.web.routing import api_router

router = api_router("/api/v1/profiles/{name}/models", tags=["back-tests"])
Reader = Annotated[Principal, authorize("health:read")]
Writer = Annotated[Principal, authorize("health:write")]
Name = Annotated[str, Path(max_length=60, examples=["default"])]


class ReasonNeeded(Invalid):
    """Forcing a model needs a reason: say why in `reason`."""


class Fitting(BaseModel):
    """How the model is fitted and back-tested."""

    model_config = ConfigDict(extra="forbid")

    plan: PlanSettings = PlanSettings()


class ModelActivation(BaseModel):
    """Put a model in force; ``force`` with a reason although it is not shown to be better."""

    model_config = ConfigDict(extra="forbid")

    force: StrictBool = False
    reason: str | None = Field(default=None, min_length=3, max_length=500)


class ModelView(BaseModel):
    """A model and the figures of its back-test."""

    version: int
    profile: str
    profile_version: int
    is_active: bool
    trained_at: datetime
    trained_on: int = Field(description="Resolved renewals it was fitted to.")
    losses: int
    horizon_days: int
    betas: Mapping[str, float] = Field(description="Log-odds from best to worst, by input.")
    intercepts: Mapping[str, float]
    month_slope: float
    backtest_id: UUID
    backtest: Mapping[str, Any]
    activated_at: datetime | None
    activated_by: str | None
    forced_because: str | None


class Models(BaseModel):
    """All models of a profile, newest first."""

    data: list[ModelView]


@router.get("", responses=responses())
async def list_models(name: Name, _who: Reader, tx: Tx) -> Models:
    """List the models of a profile, newest first."""
    return Models(data=[_view(row) for row in await fitted.listed(tx, name)])


@router.post(
    "", status_code=202, responses=responses(UnknownProfile, PlanInvalid, TooManyBacktests)
)
async def fit_model(name: Name, body: Fitting, _who: Writer, tx: Tx) -> Queued:
    """Fit a model to the renewals on record, and back-test it: a job, see `/backtests/{id}`.

    It fails with a reason where there are too few renewals; expert weights then stay in force.
    """
    profile = await profile_named(tx, name, None)
    return Queued(id=await ask(tx, Question(profile, body.plan.plan(), None, fits_model=True)))


@router.post(
    "/{version}/activate",
    responses=responses(
        UnknownProfile, UnknownModel, ModelNotBetter, ModelOfOtherVersion, ReasonNeeded
    ),
)
async def activate_loss_model(
    name: Name,
    version: Annotated[int, Path(ge=1, le=2**31 - 1)],
    body: ModelActivation,
    who: Writer,
    tx: Tx,
) -> ModelView:
    """Put a model in force; the answer shows its back-test."""
    if body.force and body.reason is None:
        raise ReasonNeeded
    because = body.reason if body.force else None
    profile = await profile_named(tx, name, None)
    return _view(await activate_model(tx, profile, version, who.source, forced_because=because))


def _view(row: Row) -> ModelView:
    model = row["model"]
    stored = ("trained_on", "losses", "horizon_days", "betas", "intercepts", "month_slope")
    given = {name: row[name] for name in ModelView.model_fields if name in row}
    return ModelView(
        **given,
        **{name: model[name] for name in stored},
        profile=row["profile_name"],
        backtest=row["summary"],
    )
