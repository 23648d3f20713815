"""A service: its three doors in one process.

HTTP, events and time share one database engine. Everything that runs in the background is crash
only: a worker that fails in a way it did not expect ends the process, and a supervisor starts it
again from what Postgres knows.
"""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, FastAPI

from shared.auth.key_ring import KeyRing
from shared.bus.consumer import Consumer, Handler, Subscription
from shared.bus.dispatcher import Dispatcher
from shared.bus.listeners import Listener, topics_of
from shared.bus.producer import Producer
from shared.bus.relay import Relay
from shared.bus.topics import Cluster
from shared.bus.windows import Windows
from shared.db.engine import create_engine
from shared.db.jobs import Job, forget_old_rows, run_job
from shared.db.transaction import Database
from shared.kernel.clock import Clock, SystemClock
from shared.observability.logging import configure_logging, get_logger
from shared.observability.metrics import LOOP_LAG
from shared.observability.tracing import configure_tracing
from shared.web.app import build_app
from shared.web.settings import ServiceSettings

log = get_logger(__name__)

_LOOP_PROBE = 0.5
_DRAIN_SECONDS = 15
_NAMED_FROM = 10.0
_FORGET = Job("forget_old_rows", timedelta(hours=1), forget_old_rows)


@dataclass(frozen=True, slots=True)
class Stream:
    """A topic that a service reads by a road of its own, beside its listeners."""

    topic: str
    max_records: int
    fetch_bytes: int
    handler: Callable[[Database], Windows[Any]]


@dataclass(frozen=True, slots=True)
class Service:
    """What a service is made of; `build_service` starts it."""

    name: str
    description: str
    routers: Sequence[APIRouter]
    listeners: Sequence[Listener] = ()
    jobs: Sequence[Job] = ()
    streams: Sequence[Stream] = ()


class _Process:
    """The parts of one running service."""

    def __init__(self, service: Service, settings: ServiceSettings, clock: Clock) -> None:
        self.service = service
        self.clock = clock
        self.has_workers = settings.workers
        engine = create_engine(settings.database_url, schema=service.name)
        self.database = Database(engine, service=service.name, clock=clock)
        self.producer = Producer(settings.kafka_bootstrap)
        self.cluster = Cluster(settings.kafka_bootstrap)
        self.relay = Relay(self.database, self.producer, self.cluster)
        self.consumers = list(self._make_consumers(service, settings))
        self.stop = asyncio.Event()

    def _make_consumers(self, service: Service, settings: ServiceSettings) -> Sequence[Consumer]:
        handlers: list[tuple[Subscription, Handler | Windows[Any]]] = []
        member = _member(service, settings)
        if service.listeners:
            subscription = Subscription(
                f"tenure.{service.name}",
                topics_of(service.listeners),
                member,
                session_seconds=settings.kafka_session_seconds,
            )
            handlers.append((subscription, Dispatcher(self.database, service.listeners)))
        for stream in service.streams:
            subscription = Subscription(
                f"tenure.{service.name}.{stream.topic.rpartition('.')[2]}",
                [stream.topic],
                member,
                max_records=stream.max_records,
                fetch_bytes=stream.fetch_bytes,
                session_seconds=settings.kafka_session_seconds,
            )
            handlers.append((subscription, stream.handler(self.database)))
        return [
            Consumer(
                subscription,
                handler,
                bootstrap=settings.kafka_bootstrap,
                database=self.database,
                cluster=self.cluster,
            )
            for subscription, handler in handlers
        ]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        workers = self._start_workers() if self.has_workers else []
        try:
            yield
        finally:
            await self._drain(workers)

    def _start_workers(self) -> list[asyncio.Task[None]]:
        return [
            self._work("relay", self.relay.run(self.stop)),
            self._work("loop_lag", _watch_loop(self.stop)),
            *(self._work("consumer", consumer.run(self.stop)) for consumer in self.consumers),
            *(
                self._work(job.name, run_job(job, self.database, self.stop))
                for job in (*self.service.jobs, _FORGET)
            ),
        ]

    def _work(self, name: str, work: Awaitable[None]) -> asyncio.Task[None]:
        return asyncio.create_task(self._or_die(name, work), name=name)

    async def _or_die(self, name: str, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception:
            log.exception("worker_failed", worker=name)
        except asyncio.CancelledError:
            if self.stop.is_set():
                raise
            # A library that cancels our task must not leave a service that looks alive.
            log.exception("worker_cancelled", worker=name)
        if not self.stop.is_set():
            os.kill(os.getpid(), signal.SIGTERM)

    async def _drain(self, workers: Sequence[asyncio.Task[None]]) -> None:
        """Let what is under way end; whatever does not is rolled back and done again later."""
        self.stop.set()
        late = (await asyncio.wait(workers, timeout=_DRAIN_SECONDS))[1] if workers else set()
        for worker in late:
            log.warning("worker_cut_off", worker=worker.get_name())
            worker.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        await self.producer.stop()
        await self.cluster.close()
        await self.database.close()

    async def check_database(self) -> str | None:
        async with self.database.transaction() as tx:
            found = await tx.fetch_value("SELECT to_regclass('outbox')::text")
        return None if found else "the schema is not migrated: run `tenure migrate`"

    async def check_events(self) -> str | None:
        if not self.has_workers:
            return None
        waiting = [consumer for consumer in self.consumers if not consumer.is_assigned]
        return "waiting for the broker to assign partitions" if waiting else None


def _member(service: Service, settings: ServiceSettings) -> str | None:
    """Return a replica's name in its group, by which a quick restart keeps its partitions.

    With a short session nothing is gained, and who leaves for good is missed for longer.
    """
    if settings.kafka_session_seconds < _NAMED_FROM:
        return None
    return f"{service.name}-{socket.gethostname()}-{settings.port}"


def build_service(
    service: Service, settings: ServiceSettings, *, clock: Clock | None = None
) -> FastAPI:
    """Return the app of a service; its workers run for as long as the app does."""
    process = _Process(service, settings, clock or SystemClock())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        configure_logging(service.name, level=settings.log_level)
        configure_tracing(service.name)
        app.state.database = process.database
        app.state.key_ring = KeyRing(process.database, process.clock)
        app.state.producer = process.producer
        app.state.clock = process.clock
        app.state.settings = settings
        async with process.running():
            log.info("service_started", port=settings.port)
            yield

    return build_app(
        service.name,
        description=service.description,
        routers=service.routers,
        lifespan=lifespan,
        readiness={"database": process.check_database, "events": process.check_events},
    )


async def _watch_loop(stop: asyncio.Event) -> None:
    """Measure how late the event loop wakes up: above 100 ms, something blocks it."""
    loop = asyncio.get_running_loop()
    while not stop.is_set():
        due = loop.time() + _LOOP_PROBE
        await asyncio.sleep(_LOOP_PROBE)
        LOOP_LAG.set(max(0.0, loop.time() - due))
