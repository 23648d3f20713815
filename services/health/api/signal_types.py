"""The catalogue of signals, as people and tools read it."""

from pydantic import BaseModel, Field

from services.health.api.shapes import Reader
from services.health.domain.profile.profile import Profile, SignalRule
from services.health.domain.signal.catalogue import (
    Catalogue,
    Direction,
    SignalType,
    rules_in_force,
)
from services.health.usecases.files.files import load_catalogue
from services.health.usecases.profile.profiles import PROFILES
from shared.web.deps import Tx
from shared.web.routing import api_router

router = api_router("/api/v1", tags=["signals"])


class ValueView(BaseModel):
    """The value a signal carries."""

    lowest: float
    highest: float
    whole: bool
    required: bool
    choices: dict[str, float] | None
    meaning: str
    send: str = Field(description="What to send, in words.")


class RuleView(BaseModel):
    """A fast rule that a type counts for: this many in the window open a risk."""

    reason: str
    title: str
    severity: str
    worse_at: dict[str, int] = Field(description="From how many on it is more severe.")
    count: int
    window_days: float
    cool_down_days: float
    counts: list[str] = Field(description="The types that count.")
    closed_by: list[str]
    decided_by: str = Field(description="The profile with its version, or the catalogue.")


class SignalTypeView(BaseModel):
    """A type of signal: what it means, what it carries, what it does."""

    name: str
    also_called: list[str]
    title: str
    meaning: str
    direction: Direction
    value: ValueView | None
    sources: list[str]
    half_life_days: float
    next_step: str
    from_usage: list[str]
    rules: list[RuleView]
    score_inputs: list[str] = Field(description="Inputs of the score that listen to it.")


class SignalTypeList(BaseModel):
    """Every type there is."""

    data: list[SignalTypeView]


@router.get("/signal-types")
async def list_signal_types(_who: Reader, tx: Tx) -> SignalTypeList:
    """List every type of signal with its value, its rules and the inputs of the score it feeds."""
    catalogue, profile = load_catalogue(), (await PROFILES.current(tx)).default
    return SignalTypeList(
        data=[_type(one, catalogue, profile) for _, one in sorted(catalogue.types.items())]
    )


def _type(one: SignalType, catalogue: Catalogue, profile: Profile) -> SignalTypeView:
    rules = [
        rule
        for rule in rules_in_force(profile, catalogue)
        if not catalogue.names_of(rule.signals).isdisjoint(one.names)
    ]
    inputs = [
        f"{dimension.name}.{each.name}"
        for dimension in profile.dimensions
        for each in dimension.inputs
        if not each.signals.keys().isdisjoint(one.names)
    ]
    shown = ("name", "title", "meaning", "direction", "half_life_days", "next_step")
    return SignalTypeView(
        **{name: getattr(one, name) for name in shown},
        also_called=list(one.also_called),
        value=_value(one),
        sources=list(one.sources),
        from_usage=list(one.from_usage),
        rules=[_rule(rule, profile) for rule in rules],
        score_inputs=inputs,
    )


def _value(one: SignalType) -> ValueView | None:
    value = one.value
    if value is None:
        return None
    return ValueView(
        lowest=value.low,
        highest=value.high,
        whole=value.is_whole,
        required=value.is_required,
        choices=dict(value.choices) if value.choices else None,
        meaning=value.meaning,
        send=value.describe(),
    )


def _rule(rule: SignalRule, profile: Profile) -> RuleView:
    is_own = rule in profile.signal_rules
    return RuleView(
        reason=rule.reason,
        title=rule.title,
        severity=rule.severity.name.lower(),
        worse_at={severity.name.lower(): count for count, severity in rule.worse_at},
        count=rule.count,
        window_days=rule.window.total_seconds() / 86_400,
        cool_down_days=rule.cool_down.total_seconds() / 86_400,
        counts=list(rule.signals),
        closed_by=list(rule.closed_by),
        decided_by=f"{profile.name}@{profile.version}" if is_own else "catalogue",
    )
