"""From the mapping in a profile file to a Profile, or to an error that says what to change."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import Any

from services.health.domain.profile.metrics import read_metric
from services.health.domain.profile.profile import (
    Bands,
    Decay,
    Dimension,
    DipRule,
    DropRule,
    Input,
    LowScoreRule,
    PercentileRule,
    Profile,
    Severity,
    SignalRule,
    SilenceRule,
    Tiers,
    UsageMilestone,
)
from services.health.domain.profile.reading import (
    Mistakes,
    ProfileInvalid,
    Read,
    Section,
    check_name,
)
from services.health.domain.profile.selection import read_applies_to
from services.health.domain.risk.risk import Reason

ANY = 1e12
LATEST_VERSION = 1_000_000_000
_COUNT = "count"
_SCORED = ("value", _COUNT)
"""What of a signal the steps or the curve may judge, instead of a fixed subscore."""

_LONGEST_COUNT_DAYS = 365
"""Signals are remembered for two years: behind the longest window one more is still known."""


def parse_profile(document: Mapping[str, Any]) -> Profile:
    """Build a profile from the mapping of its file.

    Raises ProfileInvalid, which names the path of each mistake and says what to write: one in each
    metric, rule and input, and one in each other section.
    """
    top, mistakes = Section.of("", document), Mistakes()
    mistakes.read(
        top.only,
        "name", "version", "applies_to", "coverage_floor", "bands", "metrics", "dimensions",
        "signal_rules", "silence", "drop", "dip", "low_score", "milestones", "extends",
    )  # fmt: skip
    name = mistakes.read(lambda: check_name("name", top.text("name")))
    whom = partial(read_applies_to, top.values.get("name"))

    def part(key: str, reader: Callable[[Section], Read]) -> Read:
        return mistakes.read(lambda: reader(top.section(key)))

    profile = Profile(
        name=name,
        version=mistakes.read(top.whole, "version", 1, high=LATEST_VERSION),
        applies_to=part("applies_to", whom),
        coverage_floor=mistakes.read(top.number, "coverage_floor", 0, 1, 0.5),
        bands=part("bands", _bands),
        metrics=part("metrics", lambda section: section.each(read_metric)),
        dimensions=part("dimensions", _dimensions),
        signal_rules=part("signal_rules", lambda section: section.each(parse_rule)),
        silence=part("silence", _silence),
        drop=part("drop", _drop),
        dip=part("dip", _dip),
        low_score=part("low_score", _low_score),
        milestones=part("milestones", lambda section: section.each(_milestone)),
    )
    mistakes.check()
    return profile


def _bands(section: Section) -> Bands:
    section.only("at_risk_below", "watch_below", "leave_margin")
    at_risk = section.number("at_risk_below", 0, 100, 50)
    watch = section.number("watch_below", 0, 100, 75)
    if at_risk >= watch:
        raise ProfileInvalid(
            f"{section.at('watch_below')}: write a number above at_risk_below ({at_risk:g})"
        )
    return Bands(at_risk, watch, section.number("leave_margin", 0, 50, 5))


def _dimensions(section: Section) -> tuple[Dimension, ...]:
    dimensions = section.each(_dimension)
    if not sum(dimension.weight for dimension in dimensions) > 0:
        raise ProfileInvalid(f"{section.path}: give at least one dimension a weight above 0")
    return dimensions


def _dimension(name: str, section: Section) -> Dimension:
    mistakes = Mistakes()
    mistakes.read(section.only, "weight", "inputs")
    weight = mistakes.read(section.number, "weight", 0, ANY)
    inputs = mistakes.read(lambda: section.section("inputs").each(_input))
    mistakes.check()
    if not sum(one.weight for one in inputs) > 0:
        raise ProfileInvalid(f"{section.at('inputs')}: name at least one input with a weight")
    return Dimension(name, weight, inputs)


def _input(name: str, section: Section) -> Input:
    section.only(
        "weight", "half_life_days", "steps", "curve", "signals", "window_days", "percentile"
    )
    tiers = _tiers(section)
    percentile = _percentile(section.section("percentile")) if section.has("percentile") else None
    signals = _signal_values(section, is_scored=tiers is not None or percentile is not None)
    if not signals and tiers is None and percentile is None:
        raise ProfileInvalid(f"{section.path}: give it steps, a curve or signals, or percentile")
    half_life = (
        section.number("half_life_days", 0.01, 3650) if section.has("half_life_days") else None
    )
    weight = section.number("weight", 0, ANY, 1)
    return Input(name, weight, half_life, tiers, signals, percentile, _count_window(section))


def _percentile(section: Section) -> PercentileRule:
    section.only("higher_is", "window_days", "min_accounts")
    higher_is = section.text("higher_is")
    if higher_is not in ("healthy", "unhealthy"):
        raise ProfileInvalid(
            f"{section.at('higher_is')}: write healthy or unhealthy, not {higher_is!r}"
        )
    return PercentileRule(
        higher_is_healthy=higher_is == "healthy",
        window=timedelta(days=section.whole("window_days", 1, 90)),
        min_accounts=section.whole("min_accounts", 2, 20),
    )


def _tiers(section: Section) -> Tiers | None:
    if section.has("steps") and section.has("curve"):
        raise ProfileInvalid(f"{section.path}: write steps or a curve, not both")
    key = "curve" if section.has("curve") else "steps"
    if not section.has(key):
        return None
    rows = section.values[key]
    if not isinstance(rows, list) or not rows or not all(_is_tier(row) for row in rows):
        raise ProfileInvalid(
            f"{section.at(key)}: write a list of [value, points] with points from 0 to 1"
        )
    values = tuple(float(row[0]) for row in rows)
    if any(low >= high for low, high in pairwise(values)):
        raise ProfileInvalid(f"{section.at(key)}: order the values, lowest first, each once")
    return Tiers(values, tuple(float(row[1]) for row in rows), is_curve=key == "curve")


def _is_tier(row: object) -> bool:
    return (
        isinstance(row, list)
        and len(row) == 2
        and all(isinstance(item, int | float) and not isinstance(item, bool) for item in row)
        and 0 <= row[1] <= 1
    )


def _signal_values(section: Section, *, is_scored: bool) -> dict[str, float | None]:
    types = section.section("signals")
    values: dict[str, float | None] = {}
    for name, value in types.values.items():
        if value in _SCORED and not is_scored:
            raise ProfileInvalid(f"{types.at(name)}: add steps or a curve to score its {value}")
        values[name] = None if value in _SCORED else types.number(name, 0, 1)
    return values


def _count_window(section: Section) -> timedelta | None:
    """Read how far signals are counted back; None where none are counted."""
    signals = section.section("signals")
    counted = [name for name, value in signals.values.items() if value == _COUNT]
    if counted and len(counted) < len(signals.values):
        raise ProfileInvalid(f"{signals.path}: count all of these signals, or none of them")
    if bool(counted) != section.has("window_days"):
        raise ProfileInvalid(
            f"{section.at('window_days')}: say it for signals that are counted, and for no others"
        )
    if not counted:
        return None
    return timedelta(days=section.whole("window_days", 1, high=_LONGEST_COUNT_DAYS))


def parse_severity(section: Section, default: str | None = None) -> Severity:
    """Read a severity by its name. Raises ProfileInvalid."""
    value = section.text("severity", default).upper()
    if value not in Severity.__members__:
        listed = ", ".join(name.lower() for name in Severity.__members__)
        raise ProfileInvalid(f"{section.at('severity')}: write one of {listed}")
    return Severity[value]


def _days(section: Section, key: str, default: float) -> timedelta:
    return timedelta(days=section.number(key, 0, 3650, default))


def parse_rule(reason: str, section: Section) -> SignalRule:
    """Read a fast rule for signals. Raises ProfileInvalid."""
    if reason in set(Reason):
        raise ProfileInvalid(
            f"{section.path}: {reason} is what usage and scores are watched for; give the rule "
            f"another name, with signal: {reason} if that is its signal"
        )
    section.only(
        "signal", "title", "severity", "count", "window_days", "cool_down_days",
        "decay", "half_life_days", "closed_by", "also", "worse_at", "next_step",
    )  # fmt: skip
    decay = Decay(section.choice("decay", Decay, Decay.HALF_LIFE))
    fades = decay is Decay.HALF_LIFE
    return SignalRule(
        signal=section.text("signal", reason),
        reason=reason,
        title=section.text("title"),
        severity=parse_severity(section),
        count=section.whole("count", 1, 1),
        window=_days(section, "window_days", 7),
        cool_down=_days(section, "cool_down_days", 7),
        decay=decay,
        half_life_days=section.number("half_life_days", 0.01, 3650) if fades else None,
        closed_by=section.texts("closed_by"),
        also=section.texts("also"),
        worse_at=_worse_at(section.section("worse_at")),
        next_step=section.text("next_step") if section.has("next_step") else "",
    )


def _worse_at(section: Section) -> tuple[tuple[int, Severity], ...]:
    """Read counts by severity, ``{high: 8, critical: 12}``."""
    section.only(*(name.lower() for name in Severity.__members__))
    return tuple((section.whole(name, 1), Severity[name.upper()]) for name in section.values)


def _silence(section: Section) -> SilenceRule:
    section.only("days", "habit_share", "habit_working_days", "severity", "cool_down_days")
    return SilenceRule(
        days=section.whole("days", 1, 14),
        habit_share=section.number("habit_share", 0, 1, 0.6),
        habit_working_days=section.whole("habit_working_days", 1, 20),
        severity=parse_severity(section, "high"),
        cool_down=_days(section, "cool_down_days", 7),
    )


def _drop(section: Section) -> DropRule:
    section.only(
        "alarm_probability", "min_events_a_week", "exit_probability", "exit_ratio",
        "cool_down_days", "alert_budget",
    )  # fmt: skip
    budget = section.section("alert_budget").only("alerts_per_100_accounts_a_month")
    alarm = section.number("alarm_probability", 0.5, 0.999, 0.8)
    return DropRule(
        alarm_probability=alarm,
        min_events_a_week=section.number("min_events_a_week", 0, ANY, 10),
        exit_probability=section.number("exit_probability", 0, alarm, 0.5),
        exit_ratio=section.number("exit_ratio", 0, 10, 0.85),
        cool_down=_days(section, "cool_down_days", 7),
        alerts_per_100_a_month=budget.number("alerts_per_100_accounts_a_month", 0.01, 100, 2),
    )


def _dip(section: Section) -> DipRule:
    section.only("change", "exit_change", "min_events", "min_standard_errors", "cool_down_days")
    change = section.number("change", -1, 0, -0.2)
    return DipRule(
        change=change,
        exit_change=section.number("exit_change", change, 1, -0.05),
        min_events=section.number("min_events", 1, ANY, 20),
        min_standard_errors=section.number("min_standard_errors", 0, 10, 3),
        cool_down=_days(section, "cool_down_days", 7),
    )


def _low_score(section: Section) -> LowScoreRule:
    section.only("confirmations", "window_days", "severity", "cool_down_days")
    return LowScoreRule(
        confirmations=section.whole("confirmations", 1, 2),
        window=_days(section, "window_days", 1),
        severity=parse_severity(section, "high"),
        cool_down=_days(section, "cool_down_days", 7),
    )


def _milestone(name: str, section: Section) -> UsageMilestone:
    section.only("event", "users")
    return UsageMilestone(name, section.text("event"), section.whole("users", 1, 1))
