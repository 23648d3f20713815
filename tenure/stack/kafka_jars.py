"""Java, and the jars of Apache Kafka, fetched once by Maven into the user's cache."""

import fcntl
import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path

from tenure.stack.errors import MissingProgramError, StackError
from tenure.stack.processes import run_tool

KAFKA_VERSION = "4.1.1"
_POM = Path(__file__).parents[2] / "deploy" / "kafka" / "pom.xml"
_OLDEST_JAVA = 17
_FETCH_TIMEOUT = 600.0


def find_java() -> str:
    """Return the `java` to run (JAVA_HOME first). Raises `MissingProgramError`."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if java is None or _java_version(java) < _OLDEST_JAVA:
        raise MissingProgramError(
            f"Apache Kafka needs Java {_OLDEST_JAVA} or newer: install a JRE such as"
            f" openjdk-{_OLDEST_JAVA}-jre-headless, or set JAVA_HOME"
        )
    return java


def find_jars() -> Path:
    """Return the folder of the jars, after one download of 43 MB when it is not there.

    Safe when several processes ask at once. Raises `MissingProgramError` without Maven and
    `StackError` when the download fails.
    """
    folder = _cache() / f"kafka-{KAFKA_VERSION}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    mvn = shutil.which("mvn")
    if mvn is None:
        raise MissingProgramError(
            "the first start of Apache Kafka needs Maven to fetch it: install the package maven"
        )
    if not _POM.is_file():
        raise StackError(f"{_POM} is missing: Apache Kafka runs from a clone of the repository")
    draft = folder.with_name(f"{folder.name}.{secrets.token_hex(6)}")
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={draft}"]
    try:
        run_tool([mvn, "-q", "-B", "-f", str(_POM), *goal], timeout=_FETCH_TIMEOUT)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tenure"


def _java_version(java: str) -> int:
    """Return the major version, 0 when it does not say one."""
    answer = subprocess.run(  # noqa: S603 - the path was found by us, and no shell reads it
        [java, "-version"], capture_output=True, check=False, text=True, timeout=30
    )
    match = re.search(r'version "(\d+)', answer.stderr)
    return int(match[1]) if match else 0
