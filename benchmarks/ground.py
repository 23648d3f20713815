"""The ground a benchmark stands on: durable Postgres, a broker, and the processes it starts.

Every run gets a database of its own, copied from one that is migrated, so no run finds what
another left. Whatever was started is stopped, and the folder goes, when the block ends.
"""

import asyncio
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

from benchmarks.database import Reader
from benchmarks.options import Options
from shared.auth import keys
from shared.bus.topics import apply_topics, delete_topics, read_topics
from shared.db.transaction import Transaction
from tenure.cli.databases import run_in
from tenure.stack.apache_kafka import ApacheKafka
from tenure.stack.embedded_broker import EmbeddedBroker
from tenure.stack.local import LocalStack, Plan
from tenure.stack.ports import free_port
from tenure.stack.processes import ManagedProcess, ProcessSpec

_READY_WITHIN = 180.0
_GRACE = 25.0


@dataclass
class Served:
    """A process of a service, and where it answers."""

    url: str
    process: ManagedProcess


@dataclass
class Ground:
    """Postgres and a broker that run, and a folder for logs."""

    stack: LocalStack
    folder: Path
    _numbers: dict[str, int] = field(default_factory=dict)

    @property
    def bootstrap(self) -> str:
        """Where the broker answers."""
        return self.stack.bootstrap

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of Postgres and the broker."""
        found = {}
        if self.stack.postgres is not None:
            found["postgres"] = self.stack.postgres.process.pid
        broker = self.stack.broker
        if isinstance(broker, EmbeddedBroker):
            found["broker"] = broker.process.pid
        elif isinstance(broker, ApacheKafka):
            found["broker"] = broker.node(1).pid
        return found

    def migrated_database(self) -> str:
        """Copy the migrated database; return the administrator's URL of the copy."""
        return self._copy(self._next("run"), "tenure")

    def empty_database(self) -> str:
        """Make an empty database; return the administrator's URL of it."""
        return self._copy(self._next("rival"), "template0")

    def empty_log(self) -> None:
        """Make every topic anew, empty."""
        if isinstance(self.stack.broker, EmbeddedBroker):
            self.stack.broker.stop()
            self.stack.restart_broker()
        else:
            asyncio.run(_remake_topics(self.bootstrap))

    def write_key(self, admin_url: str, source: str, scopes: Sequence[str]) -> str:
        """Make an API key in a database; return its secret."""

        async def make(tx: Transaction) -> str:
            made = await keys.create(tx, name=source, source=source, scopes=list(scopes))
            return made.secret

        return run_in(admin_url, "auth", make)

    @contextmanager
    def serving(
        self,
        service: str,
        admin_url: str,
        *,
        extra: Mapping[str, str] | None = None,
        module: str = "",
        wait: bool = True,
    ) -> Iterator[Served]:
        """Run `tenure serve SERVICE` on a database for as long as the block runs.

        ``module`` names another program to run in its place, with the same environment.
        """
        port = free_port()
        program = [module] if module else ["tenure", "serve", service, "--port", str(port)]
        environment = {**self._environment(service, admin_url, port), **(extra or {})}
        served = self._service(service, port, program, environment)
        try:
            served.process.start(wait=wait)
            yield served
        finally:
            served.process.terminate(_GRACE)

    @contextmanager
    def running(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Iterator[ManagedProcess]:
        """Run any program, its output in a log, for as long as the block runs."""
        log = self.folder / "logs" / f"{self._next(name)}.log"
        spec = ProcessSpec(
            name=name, command=command, log=log, env={**os.environ, **(environment or {})}
        )
        process = ManagedProcess(spec)
        try:
            process.start()
            yield process
        finally:
            process.terminate(5.0)

    def _environment(self, service: str, admin_url: str, port: int) -> dict[str, str]:
        environment = self.stack.service_environment(service)
        url = in_database(environment["TENURE_DATABASE_URL"], urlsplit(admin_url).path)
        return {**environment, "TENURE_DATABASE_URL": url, "TENURE_PORT": str(port)}

    def _service(
        self, service: str, port: int, program: Sequence[str], environment: Mapping[str, str]
    ) -> Served:
        url = f"http://127.0.0.1:{port}"
        spec = ProcessSpec(
            name=service,
            command=[sys.executable, "-m", *program],
            log=self.folder / "logs" / f"{service}-{port}.log",
            env=environment,
            ready=lambda _pid: is_ready(f"{url}/readyz"),
            ready_within=_READY_WITHIN,
        )
        return Served(url, ManagedProcess(spec))

    def _copy(self, name: str, template: str) -> str:
        with Reader(in_database(self.stack.admin_url, "postgres")) as reader:
            reader.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return in_database(self.stack.admin_url, name)

    def _next(self, sort: str) -> str:
        self._numbers[sort] = self._numbers.get(sort, 0) + 1
        return f"{sort}_{self._numbers[sort]}"


@contextmanager
def open_ground(options: Options, services: Sequence[str] = ()) -> Iterator[Ground]:
    """Start durable Postgres and a broker, and the services named; stop all at the end."""
    with ExitStack() as exits:
        # Postgres runs as a user of its own when we are root, and must be able to enter.
        folder = Path(exits.enter_context(TemporaryDirectory(prefix="tenure-bench-")))
        folder.chmod(0o755)
        plan = Plan(folder, broker=options.broker, durable=True, services=tuple(services))
        stack = LocalStack(plan)
        exits.enter_context(stack.running(lambda _: None))
        yield Ground(stack, folder)


async def _remake_topics(bootstrap: str) -> None:
    topics = read_topics()
    await delete_topics(bootstrap, [topic.name for topic in topics])
    await apply_topics(bootstrap, topics)


def in_database(url: str, name: str) -> str:
    """Return a URL with another database in it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path="/" + name.lstrip("/")))


def is_ready(url: str) -> bool:
    """Ask a readiness probe."""
    try:
        with urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        time.sleep(0.05)
        return False
