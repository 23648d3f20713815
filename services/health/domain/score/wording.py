"""Scores in the words of the people who act on them."""

import math
from collections.abc import Sequence
from datetime import datetime, time, tzinfo

from services.health.domain.score.difference import Cause, Difference, PointChange
from services.health.domain.score.evidence import NO_NORMAL_YET
from services.health.domain.score.percentile import Peers
from services.health.domain.score.reading import NORMAL
from services.health.domain.score.score import Line, Score
from shared.kernel.figures import counted, figure, percent, shared_out, spoken

_LABELS = {
    "usage_ratio": "Usage",
    "active_users_ratio": "Active users",
    "days_since_activity": "Days without activity",
    "outcome_progress": "Progress towards the customer's outcome",
    "promises": "Promises",
    "seat_utilisation": "Seats in use",
    "stickiness": "Stickiness (people of an average day among those of 28 days)",
    "tickets_30d": "Tickets in 30 days",
    "csat": "Satisfaction with answers (CSAT)",
    "nps": "Recommendation (NPS)",
    "champion": "Champion",
    "executive_contact": "Contact with an executive",
    "payments": "Payments",
}
_RATIOS = {"usage_ratio", "active_users_ratio"}
_OF_NORMAL = " of its own normal"
_NAMED_IN_A_HEADLINE = 3
_WORTH_NAMING = 0.5
_LEAST_SHOWN = 0.05
_A_DAY_FRESHER = 1.0


def label(metric: str) -> str:
    """Return what people call an input."""
    return _LABELS.get(metric, spoken(metric).capitalize())


def short_label(metric: str) -> str:
    """Return what people call an input, within a sentence: no explanation in brackets."""
    name = label(metric).split(" (")[0]
    return name[:1].lower() + name[1:]


def sentence(line: Line, *, by_model: bool = False) -> str:
    """Say what an input contributes, and why."""
    return f"{reason(line)}: {_points_of(line, by_model=by_model)}."


def reason(line: Line) -> str:
    """Say what is known of an input."""
    if not line.observed:
        return f"{label(line.metric)}: nothing is known yet, so it counts as neutral"
    ranked = _rank(line.peers) if line.peers else ""
    parts = [_value(line), _baseline(line), ranked, _age(line.age_days, line.freshness)]
    return f"{label(line.metric)}: {', '.join(part for part in parts if part)}"


def change_sentence(change: PointChange) -> str:
    """Say what one change did."""
    return f"{_what_changed(change)}: {_signed(change.points)}."


def _what_changed(change: PointChange) -> str:
    if change.cause is not Cause.INPUT:
        return {
            Cause.PROFILE: f"Profile changed: {change.metric}",
            Cause.MODEL: f"What judges changed: {change.metric}",
        }.get(change.cause, f"Months to the renewal: {_moved(change, 'nothing')}")
    name = label(change.metric)
    if change.age_after is None:
        return f"{name}: no longer counted"
    if change.age_before is None:
        return f"{name}: now known ({_after(change, 'known')})"
    if _is_older_only(change):
        return f"{name}: nothing new, so the last word fades"
    return f"{name}: {_moved(change, 'not known')}"


def headline(found: Difference, since: datetime, zone: tzinfo) -> str:
    """Say a difference in one line."""
    day = moment_in_words(since, zone)
    if abs(found.points) < _WORTH_NAMING:
        return f"No change to speak of since {day} ({_signed(found.points)})"
    word = "Up" if found.points > 0 else "Down"
    causes = ", ".join(_causes(found))
    text = f"{word} {counted(abs(round(found.points)), 'point')} since {day}"
    return f"{text}: {causes}" if causes else f"{text}, by many small changes"


def _causes(found: Difference) -> list[str]:
    """Name the largest changes and the rest of them, so that they add up to the whole points."""
    named = [c for c in found.changes if abs(c.points) >= _WORTH_NAMING][:_NAMED_IN_A_HEADLINE]
    if not named:
        return []
    points = [change.points for change in named]
    rest = found.points - math.fsum(points)
    shown = [float(round(each)) for each in (*points, rest)]
    if sum(shown) != round(found.points):
        shown = shared_out([*points, rest], found.points, decimals=0)
    words = [*(_short(change) for change in named), "the rest"]
    return [f"{each} {_whole(n)}" for each, n in zip(words, shown, strict=True) if n]


def source(score: Score) -> str:
    """Say what the score rests on."""
    if score.model is None:
        return "expert weights"
    use = score.model
    return f"model v{use.version}, {use.trained_on} renewals, {use.losses} losses"


def losses_first(lines: Sequence[Line]) -> list[Line]:
    """Order lines by the points that could be won back, most first."""
    return sorted(lines, key=lambda line: line.points - line.max_points)


def most_helpful(lines: Sequence[Line], most: int) -> list[Line]:
    """Return what is known to be below normal and could win back the most.

    What is normal needs nobody's help, and less than half a point helps nobody.
    """
    low = [line for line in losses_first(lines) if line.observed and line.subscore < NORMAL]
    return [line for line in low if line.max_points - line.points >= _WORTH_NAMING][:most]


def _points_of(line: Line, *, by_model: bool) -> str:
    if by_model:
        return f"{line.points:+.1f} points (log-odds {line.log_odds or 0.0:+.2f})"
    return f"{line.points:.1f} of {line.max_points:.1f} points"


def _value(line: Line) -> str:
    """Say the value; the words of a measured metric say it themselves."""
    if line.signal is None and line.baseline and (line.metric not in _RATIOS or _is_learning(line)):
        return line.baseline
    return _number(line.metric, line.value, is_share=line.is_share) or spoken(line.signal or "")


def _is_learning(line: Line) -> bool:
    return line.baseline == NO_NORMAL_YET


def _number(metric: str, value: float | None, *, is_share: bool) -> str:
    if value is None:
        return ""
    said = percent(value) if is_share or metric in _RATIOS else figure(value)
    return f"{said}{_OF_NORMAL}" if metric in _RATIOS else said


def _baseline(line: Line) -> str:
    if line.metric in _RATIOS:
        return "" if _is_learning(line) else line.baseline
    is_ranked = line.peers is not None and line.peers.percentile is not None
    return (
        f"normal is {line.normal}"
        if line.normal and line.value is not None and not is_ranked
        else ""
    )


def _rank(peers: Peers) -> str:
    if peers.percentile is None:
        return f"not enough similar accounts (n={peers.accounts}, {peers.min_accounts} are needed)"
    share = peers.percentile * 100
    if peers.percentile >= 0.5:
        return f"higher than {share:.0f} % of {peers.accounts} similar customers"
    return f"lower than {100 - share:.0f} % of {peers.accounts} similar customers"


def _age(days: float | None, freshness: float) -> str:
    if days is None or days < 1.5:
        return ""
    counted = f", counts {freshness * 100:.0f} %" if 0 < freshness < 0.95 else ""
    return f"{days:.0f} days old{counted}"


def _is_older_only(change: PointChange) -> bool:
    same = (change.value_before, change.signal_before) == (change.value_after, change.signal_after)
    return same and (change.age_after or 0.0) > (change.age_before or 0.0)


def _moved(change: PointChange, nothing: str) -> str:
    before = _before(change, nothing)
    after = _after(change, nothing)
    if before == after:
        return f"again {after}{_by_age(change)}"
    if before.endswith(_OF_NORMAL) and after.endswith(_OF_NORMAL):
        before = before.removesuffix(_OF_NORMAL)
    return f"{before} before, {after} now{_by_age(change)}"


def _before(change: PointChange, nothing: str) -> str:
    number = _number(change.metric, change.value_before, is_share=change.is_share)
    return number or spoken(change.signal_before or nothing)


def _after(change: PointChange, nothing: str) -> str:
    number = _number(change.metric, change.value_after, is_share=change.is_share)
    return number or spoken(change.signal_after or nothing)


def _by_age(change: PointChange) -> str:
    """Say that a word is newer or older than the one before where that may move the points."""
    if change.age_before is None or change.age_after is None:
        return ""
    fresher_by = change.age_before - change.age_after
    if fresher_by >= _A_DAY_FRESHER or (change.is_of_age and fresher_by > 0):
        return " (newer, so it counts more)"
    return " (older, so it counts less)" if change.is_of_age and fresher_by < 0 else ""


def _short(change: PointChange) -> str:
    if change.cause is not Cause.INPUT:
        return {"renewal": "renewal nearer", "profile": "profile changed", "model": "model"}[
            change.cause
        ]
    return short_label(change.metric)


def _whole(points: float) -> str:
    return f"{'+' if points > 0 else '−'}{abs(points):.0f}"  # noqa: RUF001 - a minus for people


def _signed(points: float) -> str:
    if abs(points) < _LEAST_SHOWN:
        return "under 0.1 points"
    return f"{'+' if points >= 0 else '−'}{abs(points):.1f} points"  # noqa: RUF001 - as above


def moment_in_words(moment: datetime, zone: tzinfo) -> str:
    """Return a day where the account is, with the time unless that is midnight."""
    local = moment.astimezone(zone)
    day = f"{local:%A} {local.day} {local:%B %Y}"
    return day if local.time() == time.min else f"{day} {local:%H:%M}"
