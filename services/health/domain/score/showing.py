"""Scores and differences as they are shown: rounded, and still adding up exactly."""

from dataclasses import replace

from services.health.domain.score.difference import Difference
from services.health.domain.score.score import Score
from shared.kernel.figures import DECIMALS, shared_out


def shown_score(score: Score, decimals: int = DECIMALS) -> Score:
    """Return a score whose base and points, as shown, add up to its value as shown."""
    value, base = round(score.value, decimals), round(score.base, decimals)
    points = shared_out([line.points for line in score.lines], value - base, decimals)
    lines = (
        replace(line, points=shown, max_points=round(line.max_points, decimals))
        for line, shown in zip(score.lines, points, strict=True)
    )
    return replace(score, value=value, base=base, lines=tuple(lines))


def shown_difference(found: Difference, before: Score, after: Score) -> Difference:
    """Return a difference whose changes add up to what lies between two scores as shown."""
    total = round(after.value - before.value, DECIMALS)
    points = shared_out([change.points for change in found.changes], total)
    changes = (
        replace(change, points=shown) for change, shown in zip(found.changes, points, strict=True)
    )
    return replace(found, points=total, changes=tuple(changes))
