"""The parts tests run on, chosen by TENURE_TEST_STACK.

``embedded`` (default), ``apache`` (real Kafka from its jars), ``containers`` (testcontainers) or
two URLs separated by a comma: ``postgresql://...,host:port`` for parts of your own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tenure.stack.apache_kafka import ApacheKafka
from tenure.stack.broker import Broker
from tenure.stack.embedded_broker import EmbeddedBroker
from tenure.stack.postgres import EmbeddedPostgres

POSTGRES_IMAGE = "postgres:18"
KAFKA_IMAGE = "confluentinc/cp-kafka:8.1.0"


@dataclass(frozen=True)
class Stack:
    """Addresses of a Postgres (as administrator) and a broker."""

    admin_url: str
    bootstrap: str
    session_seconds: float

    def url(self, database: str) -> str:
        return f"{self.admin_url.rpartition('/')[0]}/{database}"


@contextmanager
def start(kind: str, folder: Path) -> Iterator[Stack]:
    if kind == "containers":
        with _containers() as stack:
            yield stack
    elif kind in {"embedded", "apache"}:
        with _processes(kind, folder) as stack:
            yield stack
    else:
        admin_url, comma, bootstrap = kind.partition(",")
        if not comma:
            pytest.exit(f"TENURE_TEST_STACK={kind!r} is not embedded, apache, containers or URLs")
        yield Stack(admin_url, bootstrap, 10.0)


@contextmanager
def _processes(kind: str, folder: Path) -> Iterator[Stack]:
    postgres = EmbeddedPostgres(folder / "postgres", durable=False)
    broker: Broker = (
        ApacheKafka(folder / "kafka") if kind == "apache" else EmbeddedBroker(folder / "broker")
    )
    try:
        postgres.start()
        broker.start()
        # A join takes the embedded broker half a session; Kafka allows none under 6 s.
        session_seconds = 6.0 if kind == "apache" else 3.0
        yield Stack(postgres.url("postgres"), broker.bootstrap, session_seconds)
    finally:
        broker.stop()
        postgres.stop()


@contextmanager
def _containers() -> Iterator[Stack]:
    import docker
    from testcontainers.kafka import KafkaContainer
    from testcontainers.postgres import PostgresContainer

    try:
        docker.from_env(timeout=5).ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker engine answers: {error}", allow_module_level=True)
    with (
        PostgresContainer(POSTGRES_IMAGE, driver=None) as postgres,
        KafkaContainer(KAFKA_IMAGE).with_kraft() as kafka,
    ):
        yield Stack(postgres.get_connection_url(), kafka.get_bootstrap_server(), 10.0)
