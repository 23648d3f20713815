"""tenure health."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.bar import Bar
from rich.markup import escape
from rich.table import Column, Table

from services.health.domain.score.difference import Cause, PointChange
from services.health.domain.score.missing import how_to_provide
from services.health.domain.score.score import Line, Score
from services.health.domain.score.showing import shown_score
from services.health.domain.score.wording import (
    change_sentence,
    label,
    losses_first,
    most_helpful,
    reason,
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
)
from services.health.usecases.score.explaining import explain as explain_score
from shared.db.transaction import Transaction
from shared.kernel.days import zone_of
from shared.kernel.figures import counted, spoken
from tenure.cli.databases import run_in
from tenure.cli.evaluate_detector import evaluate_detector
from tenure.cli.health_backtest import backtest
from tenure.cli.output import DatabaseUrl, Json, out, print_json
from tenure.cli.running import admin_url

app = typer.Typer(no_args_is_help=True, help="Health of accounts.")
app.command("backtest")(backtest)
app.command("evaluate-detector")(evaluate_detector)

_WITHOUT_ZONE = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ][\d:.]+")
_WOULD_HELP = 3
_WIDE = 100
_SMALL = 0.05
"""Points; changes below are told together."""

_TABLE_DECIMALS = 2
_MOMENT = "a date, a time (UTC unless it names a zone), yesterday, tuesday, 7d, 2w or last-change"


@app.callback()
def _group() -> None:
    """High is healthy, always."""


@app.command("explain")
def explain(
    account: Annotated[str, typer.Argument(help="Id of the account.")],
    since: Annotated[
        str | None, typer.Option(help=f"Say what changed since a moment: {_MOMENT}.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="Explain the score as of such a moment.")] = None,
    database: DatabaseUrl = "",
    *,
    as_json: Json = False,
) -> None:
    """Say why an account's score is what it is: points per input, adding up exactly.

    Example: [bold]tenure health explain acme --since tuesday[/bold]
    """

    async def load(tx: Transaction) -> Explanation:
        try:
            return await explain_score(
                tx, account, at=_in_utc(at), since=_in_utc(since), archive=KEPT
            )
        except AccountUnknown as unknown:
            raise NotScoredYet(
                f"the account {account!r} has no score yet: health has not heard of it"
            ) from unknown

    explained = run_in(admin_url(database), "health", load)
    if as_json:
        print_json(_as_json(explained))
    else:
        _show(explained)


def _in_utc(said: str | None) -> str | None:
    """Return a time without a zone as UTC, which is what this command always took it for."""
    return f"{said}Z" if said is not None and _WITHOUT_ZONE.fullmatch(said.strip()) else said


def _as_json(explained: Explanation) -> dict[str, Any]:
    scored, score = explained.scored, explained.scored.score
    lines = losses_first(score.lines)
    return {
        "account_id": explained.account_id,
        "score": score.value,
        "band": scored.band.value,
        "band_in_words": explained.band_in_words,
        "coverage": score.coverage,
        "profile": profile_label(score),
        "scored_at": scored.at,
        "time_zone": explained.time_zone,
        "base": score.base,
        "p_loss": score.p_loss,
        "p_loss_source": source(score),
        "dimensions": {
            name: {"points": points, "max_points": most}
            for name, (points, most) in _subtotals(score).items()
        },
        "lines": [_line(line, score) for line in lines],
        "missing": {line.metric: how_to_provide(line) for line in lines if not line.observed},
        **_compared(explained.compared),
    }


def _line(line: Line, score: Score) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(line)
    words = sentence(line, by_model=score.model is not None)
    return {**shown, "label": label(line.metric), "sentence": words}


def _compared(compared: Comparison | None) -> dict[str, Any]:
    if compared is None:
        return {"compared": None, "changes": []}
    found = compared.found
    return {
        "compared": {
            "asked": compared.asked,
            "since": compared.before.at,
            "score": compared.before.score.value,
            "band": compared.before.band.value,
            "profile": profile_label(compared.before.score),
            "points": found.points,
            "headline": compared.headline,
            "changes_of_profile_are_apart": found.is_apart,
        },
        "changes": [
            {**msgspec.to_builtins(change), "sentence": change_sentence(change)}
            for change in found.changes
        ],
    }


def _show(explained: Explanation) -> None:
    scored, score = explained.scored, explained.scored.score
    out.print(
        f"[bold]{escape(explained.account_id)}[/bold]  {score.value:.1f} of 100, "
        f"{spoken(scored.band.value)}, from {score.coverage:.0%} of the picture, by "
        f"{profile_label(score)} ({source(score)}), {_local(scored.at, explained.time_zone)}"
    )
    if explained.band_in_words:
        out.print(explained.band_in_words)
    if score.p_loss is not None and score.model is not None:
        out.print(f"{score.p_loss:.0%} likely to be lost within {score.model.horizon_days} days")
    if explained.compared is not None:
        _show_changes(explained.compared)
    out.print(_table(shown_score(score, _TABLE_DECIMALS)))
    _show_help(score)


def _show_changes(compared: Comparison) -> None:
    out.print(f"\n[bold]{escape(compared.headline)}[/bold]")
    for change in compared.found.changes:
        if _is_small(change):
            continue
        named = f"{change.dimension}/{change.metric}" if change.dimension else change.cause.value
        words = escape(change_sentence(change))
        out.print(f"  {change.points:+7.2f}  [dim]{escape(named)}[/dim]  {words}")
    small = [change.points for change in compared.found.changes if _is_small(change)]
    if small:
        inputs = counted(len(small), "input")
        out.print(f"  {sum(small):+7.2f}  [dim]{inputs} that moved by less than 0.05 points[/dim]")
    if not compared.found.is_apart:
        out.print("  [dim]a change of profile is contained in these: it is no longer at hand[/dim]")
    out.print()


def _is_small(change: PointChange) -> bool:
    return change.cause is Cause.INPUT and abs(change.points) < _SMALL


def _local(moment: datetime, time_zone: str) -> str:
    return f"{moment.astimezone(zone_of(time_zone)):%Y-%m-%d %H:%M} {time_zone}"


def _table(score: Score) -> Table:
    table = Table(Column("input", no_wrap=True), "points", "of", "", "why")
    width = 15 if out.width >= _WIDE else 5
    if score.model is not None:
        table.add_row("starting point", f"{score.base:.2f}", "", "", "all inputs neutral")
    for name, (points, most) in _subtotals(score).items():
        table.add_row(f"[bold]{escape(name)}[/bold]", f"[bold]{points:.2f}[/bold]", f"{most:.2f}")
        for line in losses_first([one for one in score.lines if one.dimension == name]):
            words = escape(reason(line))
            table.add_row(
                f"  {escape(line.metric)}",
                f"{line.points:.2f}",
                f"{line.max_points:.2f}",
                Bar(max(line.max_points, 0.01), 0, max(line.points, 0.0), width=width),
                words if line.observed else f"[dim]{words}[/dim]",
            )
    table.add_row("[bold]score[/bold]", f"[bold]{score.value:.2f}[/bold]", "100.00")
    return table


def _show_help(score: Score) -> None:
    lines = losses_first(score.lines)
    helpful = most_helpful(lines, _WOULD_HELP)
    if helpful:
        out.print("[bold]What would help most[/bold]")
    for line in helpful:
        out.print(f"  {label(line.metric)}: up to {line.max_points - line.points:.1f} points")
    missing = [line for line in lines if not line.observed]
    if missing:
        out.print(f"[bold]Not known[/bold] ({1 - score.coverage:.0%} of the picture is missing)")
    for line in missing:
        out.print(f"  {label(line.metric)}: [dim]{escape(how_to_provide(line))}[/dim]")


def _subtotals(score: Score) -> Mapping[str, tuple[float, float]]:
    """Return points and most points of each dimension, in the profile's order."""
    found: dict[str, tuple[float, float]] = {}
    for line in score.lines:
        points, most = found.get(line.dimension, (0.0, 0.0))
        found[line.dimension] = (points + line.points, most + line.max_points)
    return found
