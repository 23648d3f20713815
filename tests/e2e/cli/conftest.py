"""Commands, run as a process or in this one."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from typer.testing import CliRunner

from tenure.cli.app import app
from tests.e2e.cli.commands import ROOT, Run, Said
from tests.product import Product


@pytest.fixture
def tenure(tmp_path: Path) -> Run:
    """Runs a command where no stack is announced, unless ``home`` names a folder that has one."""

    def run(*arguments: str, home: Path | None = None, **environment: str) -> Said:
        plain = {k: v for k, v in os.environ.items() if not k.startswith("TENURE_")}
        folder = str(home or tmp_path / "nothing-runs-here")
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "tenure", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            cwd=ROOT,
            env={**plain, "COLUMNS": "250", "TENURE_HOME": folder, **environment},
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Said(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def tenure_here(tmp_path: Path) -> Run:
    """Runs a command in this process, which is quicker: for what never gets far."""

    def run(*arguments: str, home: Path | None = None, **environment: str) -> Said:
        folder = str(home or tmp_path / "nothing-runs-here")
        plain: dict[str, str | None] = {k: None for k in os.environ if k.startswith("TENURE_")}
        given = {"COLUMNS": "250", "TENURE_HOME": folder, "TENURE_PORT": None, **environment}
        done = CliRunner().invoke(app, arguments, env={**plain, **given})
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Said(done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture
def fresh_database(product: Product) -> Iterator[str]:
    """The administrator's URL of an empty database."""
    name = f"cli_{uuid4().hex}"
    server = product.stack.admin_url.rpartition("/")[0]
    _administer(product, f"CREATE DATABASE {name}")
    yield f"{server}/{name}"
    _administer(product, f"DROP DATABASE {name} WITH (FORCE)")


def _administer(product: Product, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(product.stack.admin_url)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(run())
