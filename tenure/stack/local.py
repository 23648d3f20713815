"""The whole product on one machine: Postgres, a broker and the five services as processes.

Either part can be somebody else's: then it is used and never started or stopped.
"""

import asyncio
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

from shared.bus.topics import TopicMismatch, apply_topics, delete_topics, read_topics
from shared.db.migrate import migrate, migration_engine, role_of
from tenure.catalog import SCHEMAS, SERVICES
from tenure.stack.apache_kafka import ApacheKafka
from tenure.stack.broker import Broker
from tenure.stack.embedded_broker import EmbeddedBroker
from tenure.stack.postgres import EmbeddedPostgres
from tenure.stack.processes import ManagedProcess, ProcessSpec, free_port

Progress = Callable[[str], None]

_READY_WITHIN = 60.0
_RESTART_POLL = 0.5
_SESSION_SECONDS = {"embedded": 6.0}
_DEFAULT_SESSION = 10.0


@dataclass(frozen=True)
class Plan:
    """What to run.

    ``broker``: ``embedded``, ``apache``, or ``HOST:PORT`` of one that runs. ``database``: empty
    for the embedded Postgres, or an administrator's URL. ``ports`` fixes the ports of services;
    others are free ones. ``replicas`` asks for more than one of a service. ``environment`` is
    added to that of the services. ``services``: which to start; their schemas are all migrated.
    """

    folder: Path
    broker: str = "embedded"
    database: str = ""
    durable: bool = True
    ports: Mapping[str, int] = field(default_factory=dict)
    replicas: Mapping[str, int] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    services: tuple[str, ...] = tuple(SERVICES)
    command: tuple[str, ...] = (sys.executable, "-m", "tenure")


@dataclass
class Replica:
    """One process of a service, and where it answers."""

    service: str
    url: str
    process: ManagedProcess


class LocalStack:
    """Starts, watches and stops what a plan asks for."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.postgres: EmbeddedPostgres | None = None
        self.broker: Broker | None = None
        self.replicas: list[Replica] = []
        self.admin_url = plan.database
        self.bootstrap = plan.broker
        self._role_password = secrets.token_hex(16)
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None

    @contextmanager
    def running(self, progress: Progress = lambda _: None) -> Iterator["LocalStack"]:
        """Start everything; whatever happens in the block, stop everything."""
        try:
            self.start(progress)
            yield self
        finally:
            self.stop()

    def start(self, progress: Progress) -> None:
        """Start the parts, migrate, make the topics, start the services. Raises `StackError`."""
        self.plan.folder.mkdir(parents=True, exist_ok=True)
        self._start_parts(progress)
        progress("migrating the schemas")
        asyncio.run(self._migrate())
        progress("making the topics")
        asyncio.run(self._apply_topics())
        progress("starting the services")
        for name in self.plan.services:
            for number in range(self.plan.replicas.get(name, 1)):
                self.add_replica(name, number)
        for replica in self.replicas:
            replica.process.wait_until_ready()

    def add_replica(self, service: str, number: int = 0) -> Replica:
        """Start one more process of a service, without waiting for it to be ready."""
        port = self.plan.ports.get(service, 0) if number == 0 else 0
        replica = self._replica(service, port or free_port())
        self.replicas.append(replica)
        replica.process.start(wait=False)
        return replica

    def stop(self) -> None:
        """Stop what was started, services first; whatever does not stop is killed."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join()
        threads = [
            threading.Thread(target=replica.process.terminate, args=(25.0,))
            for replica in self.replicas
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.broker is not None:
            self.broker.stop()
        if self.postgres is not None:
            self.postgres.stop()

    def url(self, service: str) -> str:
        """Return where the first replica of a service answers."""
        return next(replica.url for replica in self.replicas if replica.service == service)

    @property
    def urls(self) -> dict[str, str]:
        """Where each service answers."""
        return {name: self.url(name) for name in self.plan.services}

    def supervise(self, progress: Progress = lambda _: None) -> None:
        """Start again, from a thread, whatever dies: crash-only services count on it."""
        self._watcher = threading.Thread(target=self._watch, args=(progress,), daemon=True)
        self._watcher.start()

    def restart_broker(self) -> None:
        """Start a broker that died and forgets, and make its topics.

        Services stand still meanwhile: the embedded broker makes a topic for whoever names it
        first, with too few partitions, and what a relay sent there would go when it is deleted.
        """
        if self.broker is None:
            return
        paused = [each.process for each in self.replicas if each.process.is_running]
        for process in paused:
            process.pause()
        try:
            self.broker.start()
            asyncio.run(self._apply_topics())
        finally:
            for process in paused:
                process.resume()

    def service_environment(self, service: str) -> dict[str, str]:
        """Return the variables a process of a service runs with."""
        kind = self.plan.broker
        return {
            **os.environ,
            "TENURE_DATABASE_URL": self._service_url(service),
            "TENURE_KAFKA_BOOTSTRAP": self.bootstrap,
            "TENURE_KAFKA_SESSION_SECONDS": str(_SESSION_SECONDS.get(kind, _DEFAULT_SESSION)),
            "TENURE_WEBHOOK_ALLOW_PRIVATE": "true",
            **self.plan.environment,
        }

    def _start_parts(self, progress: Progress) -> None:
        starts: list[Callable[[], None]] = []
        if not self.plan.database:
            self.postgres = EmbeddedPostgres(
                self.plan.folder / "postgres", durable=self.plan.durable
            )
            progress("starting PostgreSQL")
            starts.append(self.postgres.start)
        if self.plan.broker in {"embedded", "apache"}:
            self.broker = self._own_broker()
            progress(f"starting the {self.plan.broker} broker")
            starts.append(self.broker.start)
        for start in starts:
            start()
        if self.postgres is not None:
            self.postgres.create_database("tenure")
            self.admin_url = self.postgres.url()
        if self.broker is not None:
            self.bootstrap = self.broker.bootstrap

    def _own_broker(self) -> Broker:
        folder = self.plan.folder / self.plan.broker
        return ApacheKafka(folder) if self.plan.broker == "apache" else EmbeddedBroker(folder)

    async def _migrate(self) -> None:
        engine = migration_engine(self.admin_url)
        try:
            await migrate(engine, SCHEMAS, role_password=self._role_password)
        finally:
            await engine.dispose()

    async def _apply_topics(self) -> None:
        topics = read_topics()
        try:
            await apply_topics(self.bootstrap, topics)
        except TopicMismatch:
            if self.plan.broker != "embedded":
                raise
            # This broker makes a missing topic for whoever names it first; its log is new anyway.
            await delete_topics(self.bootstrap, [topic.name for topic in topics])
            await apply_topics(self.bootstrap, topics)

    def _service_url(self, service: str) -> str:
        parts = urlsplit(self.admin_url)
        host = parts.netloc.rpartition("@")[2]
        who = f"{role_of(service)}:{self._role_password}"
        return urlunsplit(parts._replace(netloc=f"{who}@{host}"))

    def _replica(self, service: str, port: int) -> Replica:
        url = f"http://127.0.0.1:{port}"
        spec = ProcessSpec(
            name=service,
            command=[*self.plan.command, "serve", service, "--port", str(port)],
            log=self.plan.folder / "logs" / f"{service}-{port}.log",
            env=self.service_environment(service),
            ready=lambda _pid: _is_ready(url),
            ready_within=_READY_WITHIN,
        )
        return Replica(service, url, ManagedProcess(spec))

    def _watch(self, progress: Progress) -> None:
        while not self._stopping.wait(_RESTART_POLL):
            for replica in list(self.replicas):
                if not replica.process.is_running:
                    progress(f"{replica.service} ended ({replica.process.exit_code}); restarting")
                    replica.process.start(wait=False)
            if isinstance(self.broker, EmbeddedBroker) and not self.broker.process.is_running:
                progress("the broker ended; restarting it, empty")
                self.restart_broker()


def _is_ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/readyz", timeout=2) as answer:  # noqa: S310 - our own loopback URL
            return bool(answer.status == 200)
    except OSError:
        time.sleep(0.05)
        return False
