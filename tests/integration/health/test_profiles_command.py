"""tenure profiles, as people run it: from a copy of the default to a version in force."""

import asyncio
import json
from pathlib import Path

import yaml
from typer.testing import CliRunner, Result

from tenure.cli.app import app


async def run(*arguments: str) -> Result:
    # The command has an event loop of its own.
    return await asyncio.to_thread(CliRunner().invoke, app, ["profiles", *arguments])


async def backtest(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["health", "backtest", *arguments])


async def test_a_copy_of_the_default_is_changed_checked_stored_and_activated(
    database_url: str, tmp_path: Path
) -> None:
    where, mine = ("--database", database_url), tmp_path / "mine.yml"
    shown = await run("show", "default", "--json", *where)
    row = json.loads(shown.stdout)
    document = {**row["document"], "version": row["version"] + 1}
    mine.write_text(yaml.safe_dump({**document, "bands": {"at_risk_below": 80}}))
    wrong = await run("validate", str(mine), *where)
    assert wrong.exit_code == 1
    assert "bands.watch_below: write a number above at_risk_below" in wrong.stderr
    mine.write_text(yaml.safe_dump(document))
    added = await run("add", str(mine), "--json", *where)
    assert (added.exit_code, json.loads(added.stdout)["version"]) == (0, row["version"] + 1)
    again = await run("add", str(mine), *where)
    assert again.exit_code == 1
    assert f"write {row['version'] + 2} or more" in " ".join(again.stderr.split())
    active = await run("activate", "default", str(row["version"] + 1), *where)
    assert active.exit_code == 0
    assert "no back-test was run for it" in active.stdout
    listed = json.loads((await run("list", "--json", *where)).stdout)["profiles"]
    versions = {one["name"]: one["active_version"] for one in listed}
    assert versions["default"] == row["version"] + 1


async def test_what_cannot_be_done_is_said_and_exits_with_1(
    database_url: str, tmp_path: Path
) -> None:
    where, bytes_file = ("--database", database_url), tmp_path / "bytes.yml"
    bytes_file.write_bytes(b"\xff\xfe")
    for arguments, words in (
        (("show", "nobody"), "there is no profile nobody"),
        (("activate", "default", "777"), "there is no profile default@777"),
        (("retire", "default", "777"), "there is no profile default@777"),
        (("validate", str(tmp_path / "gone.yml")), "cannot read"),
        (("add", str(bytes_file)), "save it as UTF-8"),
    ):
        said = await run(*arguments, *where)
        assert said.exit_code == 1, arguments
        assert words in " ".join(said.stderr.split()), said.stderr


async def test_a_stored_version_is_back_tested_by_its_name(
    database_url: str, tmp_path: Path
) -> None:
    where, mine = ("--database", database_url), tmp_path / "mine.yml"
    row = json.loads((await run("show", "default", "--json", *where)).stdout)
    new = {"name": "mine", "version": 1, "applies_to": {"segments": ["mine"]}}
    mine.write_text(yaml.safe_dump({**row["document"], **new}))
    added = await run("add", str(mine), *where)
    assert added.exit_code == 0, added.stderr
    outcomes = tmp_path / "outcomes.csv"
    outcomes.write_text("account_id,renewal_date,lost\nacme,2026-01-01,1\n")
    question = ("--outcomes", str(outcomes), *where)
    for name, code, words in (
        ("mine@1", 1, "needs 10 of each kind"),  # found: it is history that is missing
        ("mine@2", 2, "there is no profile mine@2"),
        ("mine", 2, "there is no profile mine in force"),
    ):
        said = await backtest(name, *question)
        assert said.exit_code == code, said.stderr
        assert words in " ".join(said.stderr.split())
