"""tenure health backtest."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table as Printed

from services.health.domain.backtest.backtest import TooLittleHistory, run_backtest
from services.health.domain.backtest.evaluation import Evaluation
from services.health.domain.backtest.findings import Backtest
from services.health.domain.backtest.history import History
from services.health.domain.backtest.plan import MONTH, Plan, PlanInvalid
from services.health.domain.backtest.records import Records
from services.health.domain.backtest.samples import Figure
from services.health.domain.backtest.summary import headline
from services.health.domain.profile.profile import Profile
from services.health.domain.profile.reading import ProfileInvalid
from services.health.usecases.backtest.history import NoOutcomes, recorded_history
from services.health.usecases.backtest.report import render_report
from services.health.usecases.profile.documents import read_document
from services.health.usecases.profile.profiles import PROFILES, shipped_documents
from shared.db.transaction import Transaction
from shared.kernel.errors import Invalid
from tenure.cli.backtest_files import open_table
from tenure.cli.databases import run_in
from tenure.cli.output import DatabaseUrl, Json, err, fail, out, print_json
from tenure.cli.running import admin_url

Tell = Callable[[float, str], None]
_READ = 0.3
"""The share of the progress bar that is reading files."""


def backtest(
    profile: Annotated[
        str,
        typer.Argument(
            help="A YAML file, NAME or NAME@VERSION: of the database, with --usage as shipped."
        ),
    ],
    outcomes: Annotated[
        str, typer.Option(help="File of renewals and how they ended, or 'recorded'.")
    ],
    usage: Annotated[
        Path | None, typer.Option(help="File of usage; default: the database.")
    ] = None,
    signals: Annotated[Path | None, typer.Option(help="File of signals; needs --usage.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report here as HTML.")] = None,
    horizon_days: Annotated[int, typer.Option(help="How far ahead a renewal may be.")] = 300,
    min_lead_days: Annotated[int, typer.Option(help="And how near at the least.")] = MONTH,
    every_days: Annotated[int, typer.Option(help="Days between landmarks; 0: monthly.")] = 0,
    budget: Annotated[str, typer.Option(help="Share of accounts people can look into.")] = "20%",
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First landmark.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last landmark.")
    ] = None,
    test_from: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Where the test part begins.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Of the intervals; same seed, same figures.")
    ] = 1,
    database: DatabaseUrl = "",
    *,
    as_json: Json = False,
) -> None:
    """Would this profile have seen the losses coming? Replay history point in time and say.

    Exit code 0: done. 1: too little history, or no database. 2: wrong input, with the row.
    docs/backtest.md describes the files and every figure.

    Example: [bold]tenure health backtest default --outcomes renewals.csv --usage usage.csv
    --report backtest.html[/bold]
    """
    try:
        chosen = _profile(profile, is_stored=usage is None, database=database)
        plan = Plan(
            horizon_days=horizon_days,
            min_lead_days=min_lead_days,
            budget=_share(budget),
            every_days=every_days or None,
            since=since.date() if since else None,
            until=until.date() if until else None,
            test_from=test_from.date() if test_from else None,
            seed=seed,
        )
        with _bar() as progress:
            tell = _teller(progress, progress.add_task("reading", total=1.0))
            history, warnings = _history(outcomes, usage, signals, database, tell)
            found = run_backtest(
                history, chosen, plan, lambda part, what: tell(_READ + part * (1 - _READ), what)
            ).backtest
    except (TooLittleHistory, NoOutcomes) as refusal:
        fail(refusal, 1)
    except Invalid as refusal:
        fail(refusal, 2)
    _say(found, warnings, report, as_json=as_json)


def _say(found: Backtest, warnings: list[str], report: Path | None, *, as_json: bool) -> None:
    plain: dict[str, Any] = msgspec.to_builtins(found)
    plain["warnings"] = [*plain["warnings"], *warnings]
    words = " ".join(headline(found))
    if report:
        try:
            report.write_text(render_report(plain, words), encoding="utf-8")
        except OSError as error:
            fail(f"the report cannot be written: {error}", 2)
    if as_json:
        print_json({"headline": words, **plain})
        return
    out.print(words, markup=False, soft_wrap=True)
    _print_figures(found)
    for warning in plain["warnings"]:
        err.print(f"note: {warning}", markup=False, soft_wrap=True)
    if report:
        out.print(f"report: {report}", markup=False, soft_wrap=True)


def _profile(given: str, *, is_stored: bool, database: str) -> Profile:
    """Return a profile from a file, or by its name: a stored one, or one that is shipped."""
    path = Path(given)
    if path.suffix in {".yml", ".yaml", ".json"}:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            fail(f"the profile cannot be read: {error}", 2)
        shipped = {one.profile.name: one.values for one in shipped_documents()}
        return read_document(text, shipped).profile
    name, _, version = given.partition("@")
    if version and not version.isdecimal():
        raise ProfileInvalid(f"write a version as a number: {name}@3, not {given}")
    number = int(version) if version else None
    return _stored(name, number, database) if is_stored else _shipped(name, number)


def _stored(name: str, version: int | None, database: str) -> Profile:
    async def find(tx: Transaction) -> Profile | None:
        return await PROFILES.version(tx, name, version)

    found = run_in(admin_url(database), "health", find)
    if found is None:
        label = f"profile {name} in force" if version is None else f"profile {name}@{version}"
        raise ProfileInvalid(f"there is no {label}; `tenure profiles list` shows all")
    return found


def _shipped(name: str, version: int | None) -> Profile:
    shipped = {one.profile.name: one.profile for one in shipped_documents()}
    if name not in shipped:
        known = ", ".join(sorted(shipped))
        raise ProfileInvalid(
            f"there is no shipped profile {name}; give a file, one of {known}, or leave --usage "
            "out for a stored one"
        )
    found = shipped[name]
    if version not in {None, found.version}:
        raise ProfileInvalid(f"{name} is shipped at version {found.version}, not {version}")
    return found


def _share(written: str) -> float:
    try:
        number = float(written.rstrip("%"))
    except ValueError:
        raise PlanInvalid(f"budget: write a share such as 20% or 0.2, not {written!r}") from None
    return number / 100 if written.endswith("%") else number


def _history(
    outcomes: str, usage: Path | None, signals: Path | None, database: str, tell: Tell
) -> tuple[History, list[str]]:
    if usage is None:
        if signals is not None:
            raise PlanInvalid("--signals needs --usage: signals are in the database otherwise")
        return _from_database(outcomes, database, tell), []
    if outcomes == "recorded":
        raise PlanInvalid("--outcomes recorded is of the database: leave --usage out")
    records = Records(datetime.now(UTC).date())
    records.add_outcomes(open_table(Path(outcomes)))
    table = open_table(usage)
    total = table.total or 0
    records.add_usage(
        table, lambda n: tell(_READ * min(1, n / total) if total else 0, f"reading {n:,} rows")
    )
    if signals is not None:
        records.add_signals(open_table(signals))
    return records.history(), records.warnings


def _from_database(outcomes: str, database: str, tell: Tell) -> History:
    given = None if outcomes == "recorded" else open_table(Path(outcomes))

    async def load(tx: Transaction) -> History:
        tell(0.0, "reading the database")
        return await recorded_history(tx, given)

    return run_in(admin_url(database), "health", load)


def _bar() -> Progress:
    columns = (TextColumn("{task.description:<24}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=err, disable=not err.is_terminal)


def _teller(progress: Progress, task: TaskID) -> Tell:
    return lambda part, what: progress.update(task, completed=part, description=what)


_SHOWN: Mapping[str, Callable[[Evaluation], Figure]] = {
    "AUC": lambda way: way.overall.auc,
    "PR-AUC": lambda way: way.overall.pr_auc,
    "base rate": lambda way: way.overall.base_rate,
    "precision at the budget": lambda way: way.overall.precision,
    "recall at the budget": lambda way: way.overall.recall,
    "median lead, days": lambda way: way.lead_time.median,
    "surprises among losses": lambda way: way.surprises.share,
}


def _print_figures(found: Backtest) -> None:
    table = Printed("figure", "expert weights", "fitted model")
    for name, figure in _SHOWN.items():
        model = figure(found.model) if found.model else None
        table.add_row(name, _told(figure(found.expert)), _told(model))
    out.print(table)


def _told(figure: Figure | None) -> str:
    if figure is None:
        return "none"
    if figure.value is None:
        return figure.note
    if figure.low is None:
        return f"{figure.value:.3g}"
    return f"{figure.value:.3g} ({figure.low:.3g} to {figure.high:.3g})"
