"""The parts tests run on, chosen by TENURE_TEST_STACK.

``embedded`` (default), ``apache`` (real Kafka from its jars), ``containers`` (testcontainers) or
two URLs separated by a comma: ``postgresql://...,host:port`` for parts of your own.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import docker
import docker.errors
import pytest
from testcontainers.core.container import DockerContainer

from tenure.stack.apache_kafka import ApacheKafka
from tenure.stack.broker import Broker, live_nodes
from tenure.stack.embedded_broker import EmbeddedBroker
from tenure.stack.ports import free_port
from tenure.stack.postgres import EmbeddedPostgres

POSTGRES_IMAGE = "postgres:18"
KAFKA_IMAGE = "apache/kafka:4.1.1"
PASSWORD = "only-for-tests"


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
    try:
        docker.from_env(timeout=5).ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker engine answers: {error}")
    postgres_port, kafka_port = free_port(), free_port()
    postgres = DockerContainer(POSTGRES_IMAGE).with_bind_ports(5432, postgres_port)
    postgres.with_env("POSTGRES_PASSWORD", PASSWORD)
    kafka = DockerContainer(KAFKA_IMAGE).with_bind_ports(9092, kafka_port)
    for name, value in _kafka_environment(kafka_port).items():
        kafka.with_env(name, value)
    admin_url = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{postgres_port}/postgres"
    with postgres, kafka:
        _wait_until(lambda: bool(live_nodes(kafka_port)), "Kafka")
        _wait_until(lambda: asyncio.run(_answers(admin_url)), "PostgreSQL")
        yield Stack(admin_url, f"127.0.0.1:{kafka_port}", 10.0)


def _kafka_environment(port: int) -> dict[str, str]:
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    }


async def _answers(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, timeout=2)
    except (OSError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


def _wait_until(is_ready: Callable[[], bool], name: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} did not answer within {seconds:g} s")
        time.sleep(0.2)
