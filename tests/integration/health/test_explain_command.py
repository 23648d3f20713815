"""`tenure health explain`, run as a person runs it, on a database with scores in it."""

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from services.health.domain.score.score import Signal
from services.health.jobs.upkeep import refresh_scores
from services.health.storage.account import accounts
from services.health.usecases.signal.signals import record_signal
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tenure.cli.app import app
from tests.conftest import OpenDatabase


async def explain(database_url: str, *arguments: str) -> Result:
    command = ["health", "explain", *arguments, "--database", database_url]
    environment = {"COLUMNS": "200", "TENURE_HOME": "/nowhere"}
    return await asyncio.to_thread(CliRunner().invoke, app, command, env=environment)


async def note(health: Database, kind: str, value: float | None = None) -> None:
    async with health.transaction() as tx:
        await accounts.ensure(tx, "acme", tx.now)
        signal = Signal(kind, tx.now, value)
        await record_signal(tx, "acme", signal, ("test", None))
    await refresh_scores(health)


@pytest.fixture
async def scored(open_database: OpenDatabase, clock: FixedClock) -> Database:
    """An account whose champion leaves nine days after it answered a survey."""
    health = await open_database("health")
    await note(health, "nps_answered", 10)
    clock.advance(timedelta(days=9))
    await note(health, "champion_left")
    return health


async def test_it_says_what_changed_and_what_would_help(
    scored: Database, database_url: str
) -> None:
    told = await explain(database_url, "acme", "--since", "2026-03-10")
    assert told.exit_code == 0, told.output
    assert "Down 3 points since Tuesday 10 March 2026: champion" in told.stdout
    assert "Champion: now known (champion left)" in told.stdout
    assert "relationship/champion" in told.stdout
    assert "What would help most" in told.stdout
    assert "No payment is known. Whoever runs billing can connect it." in told.stdout


async def test_the_table_adds_up_as_it_is_read(scored: Database, database_url: str) -> None:
    told = await explain(database_url, "acme")
    rows = [line.split("│")[1:3] for line in told.stdout.splitlines()]
    points = {row[0].rstrip(): Decimal(row[1]) for row in rows if len(row) == 2 and "." in row[1]}
    total = points.pop(" score")
    lines = sum(value for name, value in points.items() if name.startswith("   "))  # indented
    assert lines == sum(points.values()) - lines == total > 0


async def test_json_adds_up(scored: Database, database_url: str) -> None:
    said = await explain(database_url, "acme", "--since", "2026-03-10", "--json")
    shown: dict[str, Any] = json.loads(said.stdout)
    assert sum(line["points"] for line in shown["lines"]) == pytest.approx(shown["score"])
    subtotals = sum(one["points"] for one in shown["dimensions"].values())
    assert subtotals == pytest.approx(shown["score"], abs=1e-9)
    changes = sum(change["points"] for change in shown["changes"])
    assert changes == pytest.approx(shown["compared"]["points"], abs=1e-9)
    earlier = json.loads(
        (await explain(database_url, "acme", "--at", "2026-03-03", "--json")).stdout
    )
    assert earlier["score"] == pytest.approx(shown["score"] - shown["compared"]["points"])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("nobody",), "has no score yet"),
        (("acme", "--since", "tuesdy"), "is not a moment: write a date"),
        (("acme", "--since", "2020-01-01"), "had no score yet on Wednesday 1 January 2020"),
        (
            ("acme", "--since", "2020-01-01T00:00:00"),
            "had no score yet on Wednesday 1 January 2020",
        ),
        (("acme", "--at", "9999-01-01"), "is not a moment"),
    ],
)
async def test_what_makes_no_sense_is_said_on_stderr_with_exit_code_1(
    scored: Database, database_url: str, arguments: tuple[str, ...], why: str
) -> None:
    said = await explain(database_url, *arguments)
    assert (said.exit_code, said.stdout) == (1, "")
    assert why in said.stderr
