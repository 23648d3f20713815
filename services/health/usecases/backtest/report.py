"""A back-test as one HTML page that stands alone: no scripts, nothing loaded from elsewhere."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from services.health.usecases.backtest import charts
from services.health.usecases.backtest.charts import Point
from shared.kernel.figures import spoken

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parents[2] / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_LONGEST_AXIS = 14


def render_report(found: Mapping[str, Any], headline: str) -> str:
    """Return the page of a back-test, from its result as it is stored."""
    judged = _judging(found)
    return _TEMPLATES.get_template("backtest.html").render(
        found=found,
        headline=headline.replace(". ", ".\n").split("\n"),
        judged=judged,
        ways=[way for way in (found["expert"], found["model"]) if way],
        charts=_charts(found, judged),
    )


def _judging(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the figures of what would judge, as the headline does: a model only if better."""
    gain = found["gain"]
    is_better = gain is not None and gain["low"] is not None and gain["low"] > 0
    judging: Mapping[str, Any] = found["model"] if is_better else found["expert"]
    return judging


def _charts(found: Mapping[str, Any], judged: Mapping[str, Any]) -> Mapping[str, Markup]:
    # The charts escape what they write; names of segments and months are all that is not ours.
    drawn = {
        "months": month_chart(judged["by_month"]),
        "leads": _lead_bins(judged["lead_time"]),
        "by_lead": _figures(judged["by_lead"], "auc", "AUC", _two),
        "bands": _bands(found["bands"]),
        "calibration": _calibration(judged["truth"]),
    }
    return {name: Markup(svg) for name, svg in drawn.items() if svg}  # noqa: S704 - escaped above


def month_chart(months: Sequence[Mapping[str, Any]]) -> str:
    """Return the chart of precision by month; where not all have room it says which it shows."""
    known = [month for month in months if month["precision"]["value"] is not None]
    told = known[-_LONGEST_AXIS:]
    left_out = len(known) > len(told)
    axis = f"the last {len(told)} of {len(known)} months; the table has all" if left_out else ""
    points = [_point(month["name"], month["precision"], charts.percent) for month in told]
    base = [month["base_rate"]["value"] for month in told]
    words = "share of flagged customers who left, by month, over the base rate"
    return charts.line(points, base, words, axis, charts.percent) if points else ""


def _lead_bins(lead: Mapping[str, Any]) -> str:
    points = [
        Point(
            f"{start}-{end - 1}", n, hint=f"{n} lost renewals first flagged {start} to {end} days"
        )
        for start, end, n in lead["bins"]
    ]
    words = "lost renewals by how many days before the renewal they were first flagged"
    points.append(Point("never", lead["never"], hint=f"{lead['never']} were never flagged"))
    axis = "days before the renewal at the first flag"
    return charts.bars(points, words, axis, charts.count) if lead["lost"] else ""


def _figures(rows: Sequence[Mapping[str, Any]], key: str, words: str, told: Any) -> str:
    points = [
        _point(f"{row['name']} before", row[key], told)
        for row in rows
        if row[key]["value"] is not None
    ]
    return charts.bars(points, f"{words} by lead", "", told) if points else ""


def _bands(rows: Sequence[Mapping[str, Any]]) -> str:
    points = [
        _point(spoken(row["band"]), row["lost"], charts.percent)
        for row in rows
        if row["lost"]["value"] is not None
    ]
    words = "share that was lost, by band of the score"
    return charts.bars(points, words, "band of the score", charts.percent) if points else ""


def _calibration(truth: Mapping[str, Any] | None) -> str:
    if truth is None or not truth["table"]:
        return ""
    points = [
        (
            row["said"],
            Point("", row["lost"], row["low"], row["high"], f"{row['entries']} account-months"),
        )
        for row in truth["table"]
    ]
    return charts.calibration(points, "probability said against share lost, by tenth")


def _point(name: str, figure: Mapping[str, Any], told: Any) -> Point:
    hint = f"{name}: {told(figure['value'])}, {figure['losses']} losses of {figure['renewals']}"
    return Point(name, figure["value"], figure["low"], figure["high"], hint)


def _two(value: float) -> str:
    return f"{value:.2f}"


def _figure(figure: Mapping[str, Any], form: str = "share") -> Markup | str:
    """Write a figure with its interval, or why there is none."""
    told = {"share": charts.percent, "number": _two, "three": _three, "days": charts.count}[form]
    if figure["value"] is None:
        return Markup('<span class="none" title="{}">no figure</span>').format(figure["note"])
    if figure["low"] is None:
        return told(figure["value"])
    return Markup('<b>{}</b> <small class="range">{} to {}</small>').format(
        told(figure["value"]), told(figure["low"]), told(figure["high"])
    )


def _three(value: float) -> str:
    return f"{value:.3f}"


_TEMPLATES.filters["figure"] = _figure
_TEMPLATES.filters["percent"] = charts.percent
