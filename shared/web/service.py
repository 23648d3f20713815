"""A service: its three doors in one process.

HTTP, events and time are served by one event loop, or by two where there is bulk to work off.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from shared.auth.key_ring import KeyRing
from shared.bus.client import Subscription
from shared.bus.consumer import Consumer, Handler
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
from shared.observability.tracing import configure_tracing
from shared.web.app import build_app
from shared.web.crew import BackLoop, Crew, Work
from shared.web.settings import ServiceSettings

log = get_logger(__name__)

_NAMED_FROM = 10.0
_FORGET = Job("forget_old_rows", timedelta(hours=1), forget_old_rows)


@dataclass(frozen=True, slots=True)
class Stream:
    """A topic that a service reads by a road of its own, beside its listeners.

    Bulk comes in long strokes: it is read apart from requests and single events.
    """

    topic: str
    max_records: int
    fetch_bytes: int
    handler: Callable[[Database], Handler | Windows[Any]]
    is_bulk: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    """What a service is made of; `build_service` starts it."""

    name: str
    description: str
    routers: Sequence[APIRouter]
    listeners: Sequence[Listener] = ()
    jobs: Sequence[Job] = ()
    streams: Sequence[Stream] = ()
    front: Callable[[ASGIApp, Any], ASGIApp] = lambda app, _settings: app
    """Puts before all routes what the settings ask for."""


class _Half:
    """What works on one event loop: consumers and jobs, with connections of their own."""

    def __init__(
        self, database: Database, settings: ServiceSettings, jobs: Sequence[Job] = ()
    ) -> None:
        self.database = database
        self.cluster = Cluster(settings.kafka_bootstrap)
        self.consumers: list[Consumer] = []
        self._jobs = jobs
        self._settings = settings

    def consume(self, subscription: Subscription, handler: Handler | Windows[Any]) -> None:
        """Feed a handler here."""
        self.consumers.append(
            Consumer(
                subscription,
                handler,
                bootstrap=self._settings.kafka_bootstrap,
                database=self.database,
                cluster=self.cluster,
            )
        )

    def crew(self, loop_name: str, *others: tuple[str, Work]) -> Crew:
        """Return who works here: the consumers, the jobs, and others."""
        return Crew(
            loop_name,
            *others,
            *(("consumer", consumer.run) for consumer in self.consumers),
            *((job.name, partial(run_job, job, self.database)) for job in self._jobs),
        )

    async def live_in_back(self, stop: asyncio.Event) -> None:
        """Work on the event loop that runs here until told to stop."""
        crew = self.crew("back")
        crew.start()
        await stop.wait()
        await crew.drain()
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self.cluster.close()
        await self.database.close()


class _Process:
    """The parts of one running service.

    A service with bulk streams has two halves, each on an event loop of its own: in front the
    API, the relay and what hears events one by one; in the back bulk streams and jobs.
    """

    def __init__(self, service: Service, settings: ServiceSettings, clock: Clock) -> None:
        self.service, self.settings, self.clock = service, settings, clock
        self.has_workers = settings.workers
        jobs = (*service.jobs, _FORGET)
        has_bulk = any(stream.is_bulk for stream in service.streams)
        self.front = _Half(self._database(), settings, () if has_bulk else jobs)
        self.back = _Half(self._database(), settings, jobs) if has_bulk else None
        self._add_consumers()
        self.producer = Producer(
            settings.kafka_bootstrap, max_unacknowledged=settings.max_unacknowledged_bytes
        )
        self.relay = Relay(self.front.database, self.producer, self.front.cluster)

    @property
    def database(self) -> Database:
        """The database of requests."""
        return self.front.database

    def _database(self) -> Database:
        engine = create_engine(self.settings.database_url, schema=self.service.name)
        return Database(engine, service=self.service.name, clock=self.clock)

    def _add_consumers(self) -> None:
        service, group = self.service, f"tenure.{self.service.name}"
        if service.listeners:
            subscription = self._subscription(group, topics_of(service.listeners))
            self.front.consume(subscription, Dispatcher(self.database, service.listeners))
        for stream in service.streams:
            half = self.back if self.back is not None and stream.is_bulk else self.front
            subscription = replace(
                self._subscription(f"{group}.{stream.topic.rpartition('.')[2]}", [stream.topic]),
                max_records=stream.max_records,
                fetch_bytes=stream.fetch_bytes,
            )
            half.consume(subscription, stream.handler(half.database))

    def _subscription(self, group: str, topics: Sequence[str]) -> Subscription:
        return Subscription(
            group,
            topics,
            _member(self.service, self.settings),
            session_seconds=self.settings.kafka_session_seconds,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the workers, if this replica has any, for as long as the block lasts."""
        front = self.front.crew("front", ("relay", self.relay.run))
        back = BackLoop(self.back.live_in_back) if self.back else None
        if self.has_workers:
            front.start()
        if self.has_workers and self.back and back:
            self.back.database.tell(self.front.database)
            back.start()
        try:
            yield
        finally:
            await asyncio.gather(front.drain(), *([back.stop()] if back else []))
            await self.producer.stop()
            await self.front.close()

    async def check_database(self) -> str | None:
        """Say what is missing in the database."""
        async with self.database.transaction() as tx:
            found = await tx.fetch_value("SELECT to_regclass('outbox')::text")
        return None if found else "the schema is not migrated: run `tenure migrate`"

    async def check_events(self) -> str | None:
        """Say what is missing before events are heard."""
        if not self.has_workers:
            return None
        consumers = [*self.front.consumers, *(self.back.consumers if self.back else ())]
        waiting = [consumer for consumer in consumers if not consumer.is_assigned]
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

    app = build_app(
        service.name,
        description=service.description,
        routers=service.routers,
        lifespan=lifespan,
        readiness={"database": process.check_database, "events": process.check_events},
    )
    app.stand_behind(lambda inner: service.front(inner, settings))
    return app
