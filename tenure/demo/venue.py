"""Where the story is played: a stack of the demo's own that goes away, or parts that run."""

import json
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from tenure.stack.local import LocalStack, Plan
from tenure.stack.ports import LOOPBACK, free_port

_OWN_BROKERS = {"embedded", "apache"}
_LOUD = {"error", "critical"}
_LOUDEST_LINES = 3
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Receivers:
    """Where the mail server and the webhook receiver listen, and how services reach them."""

    bind: str = LOOPBACK
    host: str = LOOPBACK
    smtp_port: int = 0

    @property
    def smtp_url(self) -> str:
        """The mail server, as TENURE_SMTP_URL."""
        return f"smtp://{self.host}:{self.smtp_port}"


@dataclass(frozen=True, slots=True)
class Parts:
    """What is asked for: a broker, a database, and services that run already, if any."""

    broker: str
    database: str
    services: Mapping[str, str]

    @property
    def are_ours(self) -> bool:
        """Whether nobody else's data is where the story is played."""
        return self.broker in _OWN_BROKERS and not self.database and not self.services


@dataclass(frozen=True, slots=True)
class Venue:
    """Parts that run. ``suffix`` keeps this run's names apart from whatever else is there."""

    folder: Path
    urls: Mapping[str, str]
    admin_url: str
    bootstrap: str
    suffix: str
    receivers: Receivers
    stack: LocalStack | None = None

    def complaints(self) -> Sequence[str]:
        """Return the last errors that our services and backends have logged."""
        logs = sorted(self.folder.glob("**/logs/*.log"))
        return [f"{log.stem}: {line}" for log in logs for line in _loud_lines(log)]


@contextmanager
def open_venue(
    parts: Parts, receivers: Receivers, progress: Callable[[str], None]
) -> Iterator[Venue]:
    """Run what the story needs in a folder that goes away, or use what runs.

    Raises `StackError`. Once the block is left, stopping is not interrupted by a second Ctrl-C.
    """
    suffix = "" if parts.are_ours else f"-{uuid4().hex[:5]}"
    with tempfile.TemporaryDirectory(prefix="tenure-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if parts.services:
            yield Venue(folder, parts.services, parts.database, parts.broker, suffix, receivers)
            return
        stack = LocalStack(
            Plan(
                folder=folder / "stack",
                broker=parts.broker,
                database=parts.database,
                durable=False,
                environment={"TENURE_SMTP_URL": receivers.smtp_url},
            )
        )
        try:
            stack.start(progress)
            urls, admin_url, bootstrap = stack.urls, stack.admin_url, stack.bootstrap
            yield Venue(folder, urls, admin_url, bootstrap, suffix, receivers, stack)
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            stack.stop()


def receivers_at(bind: str, host: str, smtp_port: int) -> Receivers:
    """Return the receivers' addresses, with a free port for mail when none is given."""
    return Receivers(bind, host, smtp_port or free_port())


def _loud_lines(log: Path) -> Sequence[str]:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line[:_LONGEST] for line in lines if _is_loud(line)][-_LOUDEST_LINES:]


def _is_loud(line: str) -> bool:
    try:
        said = json.loads(line)
    except ValueError:
        return "Error" in line
    return isinstance(said, dict) and said.get("level") in _LOUD
