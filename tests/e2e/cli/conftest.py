"""Commands, run as a process or in this one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tenure.cli.app import app
from tests.e2e.cli.commands import ROOT, Run, Said


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
