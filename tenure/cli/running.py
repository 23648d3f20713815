"""The local stack that is running, if any: commands find it through a file it leaves."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tenure.cli.output import fail


def data_home() -> Path:
    """Return the folder of the local stack: ``TENURE_HOME``, or ``.tenure`` here."""
    return Path(os.environ.get("TENURE_HOME", ".tenure"))


@dataclass(frozen=True, slots=True)
class Running:
    """Where a running local stack can be reached."""

    admin_url: str
    bootstrap: str
    urls: Mapping[str, str]
    pid: int

    @classmethod
    def find(cls) -> "Running | None":
        """Return the stack that is running from the data folder, or None."""
        try:
            found = cls(**json.loads(_file().read_text()))
            os.kill(found.pid, 0)
        except (OSError, ValueError, TypeError):
            return None
        return found

    @contextmanager
    def announced(self) -> Iterator[None]:
        """Leave the file for other commands for as long as the block runs; it holds secrets."""
        _file().parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(_file(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(self), file)
        try:
            yield
        finally:
            _file().unlink(missing_ok=True)


def admin_url(given: str) -> str:
    """Return the database URL given, or the running stack's; exit 2 when there is neither."""
    found = Running.find()
    url = given or (found.admin_url if found else "")
    if not url:
        fail("no database: start `tenure up`, or give --database URL", 2)
    if not url.startswith(("postgresql://", "postgres://")):
        fail("the database is given as postgresql://USER:PASSWORD@HOST:PORT/NAME", 2)
    return url


def bootstrap(given: str) -> str:
    """Return the broker given, or the running stack's; exit 2 when there is neither."""
    found = Running.find()
    broker = given or (found.bootstrap if found else "")
    return broker or fail("no broker: start `tenure up`, or give --broker HOST:PORT", 2)


def _file() -> Path:
    return data_home() / "running.json"
