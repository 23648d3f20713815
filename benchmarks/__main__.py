"""python -m benchmarks."""

import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from subprocess import SubprocessError
from typing import Annotated, Any

import msgspec
import typer

from benchmarks import (
    p1_pipeline,
    p2_latency,
    p3_sealing,
    p4_growth,
    p5_http,
    p6_footprint,
    p7_pages,
    report,
)
from benchmarks.checks import Ledger
from benchmarks.customers import RefusedError
from benchmarks.machine import machine, versions
from benchmarks.options import Options
from benchmarks.progress import TooSlowError
from tenure.stack.errors import StackError

Benchmark = Callable[[Options, Ledger], Mapping[str, Any]]
ALL: Mapping[str, Benchmark] = {
    "p1": p1_pipeline.run,
    "p2": p2_latency.run,
    "p3": p3_sealing.run,
    "p4": p4_growth.run,
    "p5": p5_http.run,
    "p6": p6_footprint.run,
    "p7": p7_pages.run,
    "sweeps": p1_pipeline.run_sweeps,
}
_FAILURES = (TooSlowError, RefusedError, StackError, SubprocessError, OSError, typer.Exit)
_HERE = Path(__file__).parent
_PAGE = _HERE.parent / "docs" / "performance.md"

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def bench(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="p1 to p7, sweeps; default all."),
    ] = None,
    broker: Annotated[str, typer.Option(help="embedded, or apache (Java 17, Maven).")] = "embedded",
    rounds: Annotated[int, typer.Option(help="Rounds of P1, P4 and P5; 0: by kind of run.")] = 0,
    events: Annotated[int, typer.Option(help="Events to a run; 0: by kind of run.")] = 0,
    accounts: Annotated[int, typer.Option(help="Accounts; 0: what the benchmark takes.")] = 0,
    rows: Annotated[int, typer.Option(help="Stored rows of P4, up to 100000000.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Report to write or add to; default: results/latest.json.")
    ] = None,
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small sizes, under 5 minutes; results/quick.json.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Measure how fast Tenure is, against baselines measured in the same run.

    Exits with 1 when a count is not exact or a benchmark could not run to its end, never because
    something is slow; with 2 when it is asked for something there is not.

    Example: [bold]python -m benchmarks p1 p5 --quick[/bold]
    """
    # Explicitly: a shell starts background jobs with SIGINT ignored. Either tidies up.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    every: Mapping[str, Benchmark] = context.obj or ALL
    wanted = _wanted(every, names or [])
    _check_broker(broker)
    options = Options(
        quick=quick,
        broker=broker,
        rounds=rounds,
        events=events,
        accounts=accounts,
        rows=rows,
        rival_python=_HERE / ".venv" / "bin" / "python",
        say=_say,
    )
    path = out or _HERE / "results" / ("quick.json" if quick else "latest.json")
    head = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(options.rival_python),
        "options": {"quick": quick, "broker": broker, "rounds": rounds, "events": events},
    }
    sections = report.load(path).get("benchmarks", {})
    fresh: dict[str, Any] = {}
    for name in wanted:
        fresh[name] = sections[name] = _run(every[name], options)
        # After each, so that what took minutes is not lost when the next one is stopped.
        found = report.assemble(head, {each: sections[each] for each in every if each in sections})
        report.save(path, found)
    if path.name == "latest.json":
        report.write_table(_PAGE, found)
    _print(found, fresh, path, as_json=as_json)
    if not report.is_exact(fresh):
        raise typer.Exit(1)


def _wanted(every: Mapping[str, Benchmark], names: Sequence[str]) -> list[str]:
    unknown = [name for name in names if name not in every]
    if unknown:
        raise typer.BadParameter(f"no benchmark {unknown[0]!r}; there are {', '.join(every)}")
    return [name for name in every if not names or name in names]


def _check_broker(broker: str) -> None:
    if broker not in {"embedded", "apache"}:
        raise typer.BadParameter("embedded or apache", param_hint="--broker")


def _run(benchmark: Benchmark, options: Options) -> dict[str, Any]:
    """Run one benchmark; what stops it is part of its section, and the others still run."""
    ledger, started = Ledger(), time.monotonic()
    section: dict[str, Any] = {"measured_at": datetime.now(UTC).isoformat(timespec="seconds")}
    try:
        section |= benchmark(options, ledger)
    except _FAILURES as error:
        section["failed"] = f"{type(error).__name__}: {error}"
    return {
        **section,
        "quick": options.quick,
        "broker": options.broker,
        "took_seconds": round(time.monotonic() - started, 1),
        "counts": [check.as_dict() for check in ledger.checks],
    }


def _print(
    found: Mapping[str, Any], fresh: Mapping[str, Any], path: Path, *, as_json: bool
) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return
    sys.stdout.write(report.table(found) + "\n")
    for name, section in fresh.items():
        if section.get("failed"):
            sys.stdout.write(f"{name} failed: {section['failed']}\n")
        for check in section["counts"]:
            if not check["ok"]:
                sys.stdout.write(
                    f"{name} WRONG COUNT, {check['what']}: "
                    f"{check['counted']} of {check['expected']}\n"
                )
    for name, why in found["missing"].items():
        sys.stdout.write(f"missing: {name}: {why}\n")
    sys.stdout.write(f"written to {path}\n")


def _say(what: str) -> None:
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {what}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    app()
