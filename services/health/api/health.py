"""Health of one account: the score and what it rests on."""

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, Field

from services.health.api.accounts import HealthView, health_view
from services.health.domain.score.score import Score
from services.health.domain.score.showing import shown_score
from services.health.domain.score.wording import source
from services.health.storage.detector import days
from services.health.storage.score import scores
from services.health.storage.score.scores import Scored, profile_label
from services.health.usecases.accounts import AccountUnknown, known_account
from shared.auth.principal import Principal
from shared.web.deps import Tx, authorize
from shared.web.openapi import responses
from shared.web.routing import api_router

router = api_router("/api/v1/accounts", tags=["accounts"])
Reader = Annotated[Principal, authorize("health:read")]


class MonitoringView(BaseModel):
    """What the drop detector says about one metric, on the newest judged day."""

    metric: str
    day: date
    seen: float
    expected: float
    ratio: float = Field(description="Usage against the account's own normal; 1 is normal.")
    probability_down: float = Field(description="How sure it is down by more than 30 %.")
    peers: float = Field(description="Where similar accounts are against their normal.")


class DimensionView(BaseModel):
    """A side of health: its points of those it can give, and how much of it is known."""

    dimension: str
    points: float
    max_points: float
    coverage: float = Field(description="Share of its own weight that was observed, 0 to 1.")

    @classmethod
    def of(cls, score: Score) -> "list[DimensionView]":
        """Show the dimensions of a score, in the profile's order."""
        names = dict.fromkeys(line.dimension for line in score.lines)
        shown = []
        for name in names:
            lines = [line for line in score.lines if line.dimension == name]
            weight = sum(line.weight for line in lines)
            known = sum(line.weight * line.freshness for line in lines)
            shown.append(
                cls(
                    dimension=name,
                    points=sum(line.points for line in lines),
                    max_points=sum(line.max_points for line in lines),
                    coverage=known / weight if weight else 0.0,
                )
            )
        return shown


class HealthDetail(HealthView):
    """An account's health with its dimensions and the detector's readings."""

    monitoring: list[MonitoringView]
    p_loss_source: str | None = Field(
        default=None, description="What the score rests on: expert weights, or a model's figures."
    )
    base: float | None = Field(
        default=None, description="The score of neutral inputs; 0 while expert weights speak."
    )
    dimensions: list[DimensionView] = Field(
        default_factory=list, description="With the base they add up to the score."
    )


@router.get("/{account_id}/health", responses=responses(AccountUnknown))
async def get_health(account_id: str, _who: Reader, tx: Tx) -> HealthDetail:
    """Show an account's score, band, coverage and what the drop detector says."""
    row = await known_account(tx, account_id)
    scored = await scores.latest(tx, account_id)
    judged = await days.latest_judged(tx, account_id)
    changed_at = await scores.changed_at(tx, account_id)
    view = health_view({**row, **_scored(scored), "changed_at": changed_at})
    return HealthDetail(
        **view.model_dump(),
        monitoring=[_monitoring(day) for _, day in sorted(judged.items())],
        p_loss_source=source(scored.score) if scored else None,
        base=scored.score.base if scored else None,
        dimensions=DimensionView.of(shown_score(scored.score)) if scored else [],
    )


def _scored(scored: Scored | None) -> dict[str, Any]:
    if scored is None:
        names = ("score", "band", "coverage", "profile", "scored_at", "p_loss")
        return dict.fromkeys(names)
    return {
        "score": scored.score.value,
        "band": scored.band.value,
        "coverage": scored.score.coverage,
        "profile": profile_label(scored.score),
        "scored_at": scored.at,
        "p_loss": scored.score.p_loss,
    }


def _monitoring(day: days.JudgedDay) -> MonitoringView:
    return MonitoringView(
        metric=day.metric,
        day=day.day,
        seen=day.y,
        expected=day.mu,
        ratio=day.ratio,
        probability_down=day.p_down,
        peers=day.peers,
    )
