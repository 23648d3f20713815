"""tenure health."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.bar import Bar
from rich.table import Table

from services.health.domain.score.score import Line, diff
from services.health.storage import scores
from services.health.storage.scores import Scored, profile_label
from shared.db.transaction import Transaction
from tenure.cli.databases import run_in
from tenure.cli.health_backtest import backtest
from tenure.cli.output import DatabaseUrl, Json, fail, out, print_json
from tenure.cli.running import admin_url

app = typer.Typer(no_args_is_help=True, help="Health of accounts.")
app.command("backtest")(backtest)


@app.callback()
def _group() -> None:
    """High is healthy, always."""


@app.command("explain")
def explain(
    account: Annotated[str, typer.Argument(help="Id of the account.")],
    since: Annotated[
        datetime | None, typer.Option(help="Compare with the score at this moment (UTC).")
    ] = None,
    database: DatabaseUrl = "",
    *,
    as_json: Json = False,
) -> None:
    """Say why an account's score is what it is: points per input, adding up exactly.

    Example: [bold]tenure health explain acme --since 2026-03-01[/bold]
    """

    async def load(tx: Transaction) -> tuple[Scored | None, Scored | None]:
        then = since.replace(tzinfo=UTC) if since else None
        before = await scores.latest(tx, account, at=then) if then else None
        return await scores.latest(tx, account), before

    scored, before = run_in(admin_url(database), "health", load)
    if scored is None:
        fail(f"the account {account!r} has no score yet")
    if since and before is None:
        fail(f"{account} had no score yet at {since.isoformat()}")
    lines = sorted(scored.score.lines, key=lambda line: line.points - line.max_points)
    changes = diff(before.score, scored.score) if before else ()
    if as_json:
        print_json(_as_json(account, scored, lines, changes))
    else:
        _show(account, scored, lines)
        for change in changes:
            out.print(f"  {change.points:+6.2f}  {change.dimension}/{change.metric} since {since}")


def _as_json(account: str, scored: Scored, lines: list[Line], changes: Any) -> dict[str, Any]:
    return {
        "account_id": account,
        "score": scored.score.value,
        "band": scored.band.value,
        "coverage": scored.score.coverage,
        "profile": profile_label(scored.score),
        "scored_at": scored.at,
        "lines": [{name: getattr(line, name) for name in Line.__slots__} for line in lines],
        "changes": [
            {"dimension": c.dimension, "metric": c.metric, "points": c.points} for c in changes
        ],
    }


def _show(account: str, scored: Scored, lines: list[Line]) -> None:
    score = scored.score
    out.print(
        f"[bold]{account}[/bold]  {score.value:.1f} of 100, {scored.band.value}, "
        f"from {score.coverage:.0%} of the picture, by {profile_label(score)}"
    )
    table = Table("input", "points", "of", "", "value", "why")
    for line in lines:
        table.add_row(
            f"{line.dimension}/{line.metric}",
            f"{line.points:.2f}",
            f"{line.max_points:.2f}",
            Bar(max(line.max_points, 0.01), 0, line.points, width=20),
            "" if line.value is None else f"{line.value:g}",
            line.baseline if line.observed else "[dim]not observed: half of its points[/dim]",
        )
    out.print(table)
