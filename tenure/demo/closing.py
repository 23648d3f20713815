"""The end of the story on a terminal: figures, alerts and checks."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def show(console: Console, figures: Mapping[str, Any]) -> None:
    """Print the closing tables."""
    console.print()
    console.print(_alerts(figures))
    console.print(_numbers(figures))
    for check in figures["checks"]:
        mark = "[green]✔[/green]" if check["ok"] else "[bold red]✘[/bold red]"
        console.print(f" {mark} {check['name']}", highlight=False)
        if not check["ok"]:
            console.print(f"     expected {check['expected']}", markup=False, soft_wrap=True)
            console.print(f"     got      {check['got']}", markup=False, soft_wrap=True)


def _alerts(figures: Mapping[str, Any]) -> Table:
    table = Table("account", "reason", title="alerts, as they were received", title_justify="left")
    for channel in ("inbox", "email", "webhook"):
        table.add_column(channel, justify="right")
    for alert in figures["alerts"]:
        once = [alert["inbox"], alert["email"], alert["webhook"]]
        cells = [f"[green]{n}[/green]" if n == 1 else f"[red]{n}[/red]" for n in once]
        table.add_row(alert["account"], alert["reason"], *cells)
    return table


def _numbers(figures: Mapping[str, Any]) -> Table:
    table = Table("what", title="read back from Postgres, Kafka and the receivers")
    table.title_justify = "left"
    table.add_column("figure", justify="right")
    rejected, counted = figures["rejected"], figures["events_counted"]
    table.add_row(
        "events published = rejected + counted",
        f"{figures['events_published']:,} = {rejected:,} + {counted:,}",
    )
    table.add_row("sent twice and counted once", f"{figures['duplicates_sent']:,}")
    table.add_row(
        "risks opened, recovered", f"{figures['risks_opened']}, {figures['risks_recovered']}"
    )
    for channel, name in (("alert", "inbox"), ("email", "e-mail"), ("webhook", "webhook")):
        spread = figures[f"event_to_{channel}_ms"]
        shown = " / ".join(f"{spread[each]:,.0f}" for each in ("p50", "p99", "max"))
        table.add_row(f"event to {name}, p50 / p99 / max", f"{shown} ms")
    table.add_row("cold start: all services ready", f"{figures['cold_start_s']:.1f} s")
    first = figures["first_alert_s"]
    table.add_row("cold start to the first alert", f"{first:.1f} s" if first else "none")
    return table
