"""Charts of a back-test as SVG: no scripts, no fonts of others, readable in black and white."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 640, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 14, 44
_INK, _PALE, _BLUE, _GREY = "#1c2733", "#d8dfe6", "#1f5fae", "#7a8794"


@dataclass(frozen=True, slots=True)
class Point:
    """A value with its interval, and what it is called on the axis."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where numbers are on the paper: x from 0 to 1, y from 0 to ``top``."""

    top: float

    def x(self, share: float) -> float:
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        span = _HEIGHT - _TOP - _BOTTOM
        return _HEIGHT - _BOTTOM - min(max(value / self.top, 0), 1) * span


def bars(points: Sequence[Point], words: str, axis: str, told: Callable[[float], str]) -> str:
    """Return a bar for each point, with its interval where it has one."""
    frame = _Frame(_round_up(max((p.high or p.value for p in points), default=0)))
    parts = _grid(frame, told)
    for number, point in enumerate(points):
        left, right = (frame.x((number + edge) / len(points)) for edge in (0.14, 0.86))
        top = frame.y(point.value)
        parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
            f'height="{frame.y(0) - top:.1f}" fill="{_BLUE}" rx="2">{_hint(point)}</rect>'
        )
        parts += _whisker(frame, (left + right) / 2, point)
        parts.append(_label((left + right) / 2, frame.y(0) + 16, point.name))
    return _paper([*parts, _axis(axis)], words)


def line(
    points: Sequence[Point],
    base: Sequence[float | None],
    words: str,
    axis: str,
    told: Callable[[float], str],
) -> str:
    """Return points joined by a line with their intervals, over a dashed line of base rates."""
    tops = [p.high or p.value for p in points] + [b for b in base if b is not None]
    frame = _Frame(_round_up(max(tops, default=0)))
    places = [frame.x((number + 0.5) / len(points)) for number in range(len(points))]
    parts = _grid(frame, told)
    below = [(x, frame.y(b)) for x, b in zip(places, base, strict=True) if b is not None]
    parts.append(_polyline(below, _GREY, "5 4"))
    above = [(x, frame.y(p.value)) for x, p in zip(places, points, strict=True)]
    parts.append(_polyline(above, _BLUE, ""))
    for x, point in zip(places, points, strict=True):
        parts += _whisker(frame, x, point)
        parts.append(_dot(x, frame.y(point.value), point))
        parts.append(_label(x, frame.y(0) + 16, point.name))
    return _paper([*parts, _axis(axis)], words)


def calibration(points: Sequence[tuple[float, Point]], words: str) -> str:
    """Return what was said (x) against what came (y), with the diagonal of a true probability."""
    tops = [x for x, _ in points] + [p.high or p.value for _, p in points]
    frame = _Frame(_round_up(max(tops, default=0)))
    parts = _grid(frame, percent)
    parts.append(
        _polyline([(frame.x(0), frame.y(0)), (frame.x(1), frame.y(frame.top))], _GREY, "5 4")
    )
    for x, point in points:
        at = frame.x(x / frame.top)
        parts += _whisker(frame, at, point)
        parts.append(_dot(at, frame.y(point.value), point))
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(_label(frame.x(share), frame.y(0) + 16, percent(share * frame.top)))
    return _paper([*parts, _axis("probability said")], words)


def percent(value: float) -> str:
    """Return a share as a percentage: one decimal under ten."""
    return f"{value:.0%}" if value >= 0.0995 or value == 0 else f"{100 * value:.1f}%"


def count(value: float) -> str:
    """Return a whole number."""
    return f"{value:.0f}"


def _paper(parts: Sequence[str], words: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(words)}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def _grid(frame: _Frame, told: Callable[[float], str]) -> list[str]:
    parts = []
    for step in range(5):
        value = frame.top * step / 4
        y = frame.y(value)
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
            f'stroke="{_PALE if step else _INK}" stroke-width="1"/>'
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" font-size="12" '
            f'fill="{_INK}">{escape(told(value))}</text>'
        )
    return parts


def _whisker(frame: _Frame, x: float, point: Point) -> list[str]:
    if point.low is None or point.high is None:
        return []
    return [
        (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{frame.y(point.low):.1f}" '
            f'y2="{frame.y(point.high):.1f}" stroke="{_INK}" stroke-width="1.5"/>'
        )
    ]


def _dot(x: float, y: float, point: Point) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{_BLUE}">{_hint(point)}</circle>'


def _polyline(points: Sequence[tuple[float, float]], colour: str, dashes: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" '
        f'stroke-dasharray="{dashes}"/>'
    )


def _label(x: float, y: float, words: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" font-size="12" '
        f'fill="{_INK}">{escape(words)}</text>'
    )


def _axis(words: str) -> str:
    return _label((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, words) if words else ""


def _hint(point: Point) -> str:
    return f"<title>{escape(point.hint)}</title>" if point.hint else ""


def _round_up(value: float) -> float:
    if value <= 0:
        return 1.0
    size = 10.0 ** len(str(int(value))) / 10 if value >= 1 else 0.01
    for step in (1, 2, 4, 5, 8, 10, 20, 40, 50, 80, 100):
        if step * size >= value:
            return step * size
    return value
