"""The dependency rule holds, and each contract is known to bite."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sys.executable).with_name("lint-imports")

TREE = "The command knows services, services know shared, shared knows neither"
INDEPENDENCE = "Services never import each other"
ROOMS = "Every service has the same rooms, and a room looks only down"
SHARED = "Inside shared, look only down"
DOMAIN = "The domain knows the standard library and the kernel, nothing else"
KERNEL = "The kernel is pure Python"
INSIDE = "Use cases and storage know neither the web framework nor Kafka"
KAFKA = "Only shared.bus imports aiokafka"
SQL = "Only storage and shared.db import SQLAlchemy, asyncpg and alembic"
TESTS = "Production code never imports tests"


class Planted(NamedTuple):
    """A file with one bad import, the contract it breaks, and how the report names it."""

    path: str
    code: str
    contract: str
    report: str


PLANTED = (
    Planted("services/health/helpers.py", "", ROOMS, "services.health.helpers"),
    Planted("shared/utils/__init__.py", "", SHARED, "shared.utils"),
    Planted(
        "services/health/usecases/planted.py",
        "import services.renewals.storage",
        INDEPENDENCE,
        "services.health.usecases.planted -> services.renewals.storage",
    ),
    Planted(
        "services/health/domain/planted.py",
        "import fastapi",
        DOMAIN,
        "services.health.domain.planted -> fastapi",
    ),
    Planted(
        "services/renewals/domain/planted.py",
        "import numpy",
        DOMAIN,
        "services.renewals.domain.planted -> numpy",
    ),
    Planted(
        "services/onboarding/domain/planted.py",
        "import shared.db.transaction",
        DOMAIN,
        "services.onboarding.domain.planted -> shared.db.transaction",
    ),
    Planted(
        "services/renewals/usecases/planted.py",
        "import aiokafka",
        INSIDE,
        "services.renewals.usecases.planted -> aiokafka",
    ),
    Planted(
        "services/onboarding/storage/planted.py",
        "import fastapi",
        INSIDE,
        "services.onboarding.storage.planted -> fastapi",
    ),
    Planted(
        "services/onboarding/usecases/planted.py",
        "import sqlalchemy",
        SQL,
        "services.onboarding.usecases.planted -> sqlalchemy",
    ),
    Planted(
        "services/notifications/storage/planted.py",
        "import services.notifications.api",
        ROOMS,
        "services.notifications.storage.planted -> services.notifications.api",
    ),
    Planted(
        "services/notifications/gateways/planted.py",
        "import services.notifications.storage",
        ROOMS,
        "services.notifications.gateways.planted -> services.notifications.storage",
    ),
    Planted(
        "shared/kernel/planted.py",
        "import shared.db.engine",
        SHARED,
        "shared.kernel.planted -> shared.db.engine",
    ),
    Planted("shared/kernel/wild.py", "import pydantic", KERNEL, "shared.kernel.wild -> pydantic"),
    Planted("shared/web/planted.py", "import services", TREE, "shared.web.planted -> services"),
    Planted("tenure/cli/planted.py", "import aiokafka", KAFKA, "tenure.cli.planted -> aiokafka"),
    Planted("shared/db/planted.py", "import pytest", TESTS, "shared.db.planted -> pytest"),
    Planted("tenure/planted.py", "import tests.stacks", TESTS, "tenure.planted -> tests"),
)


def _lint(folder: Path) -> str:
    """Return the report on a tree, wide enough that no line is wrapped."""
    done = subprocess.run(  # noqa: S603 - our own tool
        [LINT, "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def _copy(folder: Path) -> None:
    for package in ("services", "shared", "tenure"):
        shutil.copytree(
            ROOT / package,
            folder / package,
            ignore=shutil.ignore_patterns("__pycache__", "*.json", "*.md", "*.yml", "*.html"),
        )
    shutil.copy(ROOT / "pyproject.toml", folder)


def _plant(folder: Path, planted: Planted) -> None:
    path = folder / planted.path
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'"""Planted."""\n\n{planted.code}\n')


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[Planted, str]:
    """The report on each planted tree, several at a time: each takes a second or two."""
    folder = tmp_path_factory.mktemp("planted")

    def report(planted: Planted) -> str:
        tree = folder / str(PLANTED.index(planted))
        _copy(tree)
        _plant(tree, planted)
        return _lint(tree)

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return dict(zip(PLANTED, pool.map(report, PLANTED), strict=True))


def test_the_tree_keeps_the_dependency_rule() -> None:
    report = _lint(ROOT)

    assert "0 broken." in report, report


@pytest.mark.parametrize(
    "planted", PLANTED, ids=lambda planted: f"{planted.path}: {planted.code or 'stray room'}"
)
def test_a_planted_violation_is_caught(planted: Planted, reports: dict[Planted, str]) -> None:
    report = reports[planted]

    assert f"{planted.contract} BROKEN" in report
    assert planted.report in report


def test_every_contract_has_a_planted_violation() -> None:
    assert {planted.contract for planted in PLANTED} == {
        *(TREE, INDEPENDENCE, ROOMS, SHARED, DOMAIN, KERNEL, INSIDE, KAFKA, SQL, TESTS)
    }
    config = (ROOT / "pyproject.toml").read_text()
    assert config.count("[[tool.importlinter.contracts]]") == 10
