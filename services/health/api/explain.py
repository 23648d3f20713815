"""Why a score is what it is, and what changed: points that add up exactly, in words."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from services.health.api.health import DimensionView
from services.health.domain.score.difference import PointChange
from services.health.domain.score.missing import how_to_provide
from services.health.domain.score.moments import MomentInFuture, MomentUnclear
from services.health.domain.score.percentile import Peers
from services.health.domain.score.score import Band, Line, Score
from services.health.domain.score.wording import (
    change_sentence,
    label,
    losses_first,
    most_helpful,
    sentence,
    source,
)
from services.health.storage.score.scores import profile_label
from services.health.usecases.accounts import AccountUnknown
from services.health.usecases.score.explaining import (
    KEPT,
    Comparison,
    Explanation,
    NotScoredYet,
    explain,
)
from shared.auth.principal import Principal
from shared.web.deps import Tx, authorize
from shared.web.openapi import responses
from shared.web.routing import api_router

router = api_router("/api/v1/accounts", tags=["accounts"])
Reader = Annotated[Principal, authorize("health:read")]
_MOMENT = (
    "RFC 3339 time, a date, today, yesterday, monday to sunday, 12h, 7d, 2w or last-change; "
    "days begin in the account's time zone."
)
_MOST_HELPFUL = 5
_NOT_APART = (
    "In between another profile or model took over that is no longer at hand: what the change "
    "itself did is contained in the changes of the inputs."
)


class PeersView(BaseModel):
    """The similar accounts that a value was ranked among."""

    percentile: float | None = Field(description="Share of accounts below, 0 to 1; null: too few.")
    accounts: int
    min_accounts: int
    median: float | None
    window_days: int
    computed_at: datetime | None

    @classmethod
    def of(cls, peers: Peers) -> "PeersView":
        """Show what a value was compared with."""
        return cls(**{name: getattr(peers, name) for name in cls.model_fields})


class LineView(BaseModel):
    """What one input adds to the score."""

    dimension: str
    metric: str
    points: float
    max_points: float = Field(description="Points if the input were as good as can be.")
    value: float | None
    baseline: str
    subscore: float
    weight: float
    observed: bool
    age_days: float | None
    label: str = ""
    sentence: str = Field(default="", description="The line in words.")
    normal: str = Field(default="", description="Which values are normal, in words.")
    freshness: float = Field(default=0.0, description="What recency leaves of it, 0 to 1.")
    half_life_days: float | None = None
    signal: str | None = None
    peers: PeersView | None = None
    log_odds: float | None = Field(
        default=None, description="What it adds to the log-odds of a loss, when a model speaks."
    )

    @classmethod
    def of(cls, line: Line, *, by_model: bool) -> "LineView":
        """Show a line."""
        made = {"label", "sentence", "peers"}
        shown = {name: getattr(line, name) for name in cls.model_fields if name not in made}
        peers = PeersView.of(line.peers) if line.peers else None
        words = {"label": label(line.metric), "sentence": sentence(line, by_model=by_model)}
        return cls(**shown, **words, peers=peers)


class MissingView(BaseModel):
    """An input that nothing is known of, and how to provide it."""

    dimension: str
    metric: str
    label: str
    weight: float
    how_to_provide: str = Field(description="What is missing, and who can supply it, in words.")
    signals: list[str] = Field(description="Types of signals that would fill it; none: measured.")


class HelpView(BaseModel):
    """What would help: the points that an input can win back."""

    dimension: str
    metric: str
    points: float
    sentence: str


class ChangeView(BaseModel):
    """How many points of a change one thing explains."""

    dimension: str
    metric: str
    points: float
    value_before: float | None
    value_after: float | None
    cause: str = Field(default="input", description="input, renewal, profile or model.")
    age_before: float | None = None
    age_after: float | None = None
    log_odds: float | None = None
    sentence: str = ""

    @classmethod
    def of(cls, change: PointChange) -> "ChangeView":
        """Show a change."""
        made = {"cause", "sentence"}
        shown = {name: getattr(change, name) for name in cls.model_fields if name not in made}
        return cls(**shown, cause=change.cause.value, sentence=change_sentence(change))


class ComparisonView(BaseModel):
    """The difference to an earlier score; its changes add up to it exactly."""

    since: datetime = Field(description="When the earlier score was computed.")
    score: float
    band: Band
    points: float
    changes: list[ChangeView]
    asked: datetime | None = Field(default=None, description="The moment that was asked for.")
    profile: str = ""
    headline: str = ""
    note: str | None = Field(default=None, description="What could not be told apart.")

    @classmethod
    def of(cls, compared: Comparison) -> "ComparisonView":
        """Show a comparison."""
        before, found = compared.before, compared.found
        return cls(
            since=before.at,
            score=before.score.value,
            band=before.band,
            points=found.points,
            changes=[ChangeView.of(change) for change in found.changes],
            asked=compared.asked,
            profile=profile_label(before.score),
            headline=compared.headline,
            note=None if found.is_apart else _NOT_APART,
        )


class ModelView(BaseModel):
    """The model that speaks, and what it learned from."""

    version: int
    horizon_days: int
    trained_on: int
    losses: int
    months_to_renewal: float
    base_log_odds: float
    log_odds: float


class ExplanationView(BaseModel):
    """A score, exactly: its base and its lines add up to it."""

    account_id: str
    score: float
    band: Band
    band_in_words: str = Field(
        default="", description="What the band means in points, or why another one is kept."
    )
    coverage: float
    profile: str
    scored_at: datetime
    lines: list[LineView]
    missing: list[str]
    compared: ComparisonView | None
    time_zone: str = "UTC"
    base: float = Field(default=0.0, description="The score of neutral inputs, by a model; else 0.")
    dimensions: list[DimensionView] = Field(default_factory=list)
    missing_inputs: list[MissingView] = Field(default_factory=list)
    what_would_help: list[HelpView] = Field(default_factory=list)
    p_loss: float | None = None
    p_loss_source: str = ""
    model: ModelView | None = None


@router.get(
    "/{account_id}/health/explain",
    responses=responses(AccountUnknown, NotScoredYet, MomentUnclear, MomentInFuture),
)
async def explain_health(
    account_id: str,
    _who: Reader,
    tx: Tx,
    since: Annotated[
        str | None, Query(max_length=100, description=f"Compare with this moment: {_MOMENT}")
    ] = None,
    at: Annotated[
        str | None, Query(max_length=100, description=f"Explain the score as of: {_MOMENT}")
    ] = None,
) -> ExplanationView:
    """Explain a score: points per input, what is missing, and what changed since a moment."""
    return explanation_view(await explain(tx, account_id, at=at, since=since, archive=KEPT))


def explanation_view(explained: Explanation) -> ExplanationView:
    """Show an explanation."""
    scored = explained.scored
    score = scored.score
    by_model = score.model is not None
    lines = losses_first(score.lines)
    return ExplanationView(
        account_id=explained.account_id,
        score=score.value,
        band=scored.band,
        band_in_words=explained.band_in_words,
        coverage=score.coverage,
        profile=profile_label(score),
        scored_at=scored.at,
        lines=[LineView.of(line, by_model=by_model) for line in lines],
        missing=[line.metric for line in lines if not line.observed],
        compared=ComparisonView.of(explained.compared) if explained.compared else None,
        time_zone=explained.time_zone,
        base=score.base,
        dimensions=DimensionView.of(score),
        missing_inputs=[_missing(line) for line in lines if not line.observed],
        what_would_help=[_help(line) for line in most_helpful(lines, _MOST_HELPFUL)],
        p_loss=score.p_loss,
        p_loss_source=source(score),
        model=_model(score),
    )


def _missing(line: Line) -> MissingView:
    return MissingView(
        dimension=line.dimension,
        metric=line.metric,
        label=label(line.metric),
        weight=line.weight,
        how_to_provide=how_to_provide(line),
        signals=list(line.accepts),
    )


def _help(line: Line) -> HelpView:
    points = line.max_points - line.points
    return HelpView(
        dimension=line.dimension,
        metric=line.metric,
        points=points,
        sentence=f"{label(line.metric)} could win back up to {points:.1f} points.",
    )


def _model(score: Score) -> ModelView | None:
    if score.model is None:
        return None
    use = score.model
    return ModelView(
        version=use.version,
        horizon_days=use.horizon_days,
        trained_on=use.trained_on,
        losses=use.losses,
        months_to_renewal=use.months,
        base_log_odds=use.base_logit,
        log_odds=use.logit,
    )
