"""A real Apache Kafka from its jars, alone and as three nodes."""

import asyncio
import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from tenure.stack import kafka_jars
from tenure.stack.apache_kafka import ApacheKafka
from tenure.stack.errors import DataFolderBusyError, MissingProgramError
from tenure.stack.kafka_jars import KAFKA_VERSION, find_jars, find_java
from tenure.stack.kafka_layout import load_layout

# Its jars come from the network, which the ordinary run must not depend on.
needs_java = pytest.mark.skipif(
    os.environ.get("TENURE_TEST_STACK") != "apache", reason="TENURE_TEST_STACK is not apache"
)


@pytest.fixture
def kafka(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ApacheKafka]:
    kafka = ApacheKafka(tmp_path / "kafka", nodes=getattr(request, "param", 1))
    kafka.start()
    yield kafka
    kafka.stop()


async def create_topic(kafka: ApacheKafka, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    created = await admin.create_topics([NewTopic(name, 3, kafka.bootstrap.count(":"))])
    await admin.close()
    assert [error[1] for error in created.topic_errors] == [0]


async def produce(kafka: ApacheKafka, value: bytes) -> None:
    """Send until acknowledged, with a fresh client each time: a paused leader never answers."""
    options = {"bootstrap_servers": kafka.bootstrap, "request_timeout_ms": 6000, "acks": "all"}
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(KafkaError):
                async with AIOKafkaProducer(**options) as producer:
                    await producer.send_and_wait("moons", value, partition=0)
                    return


async def consume(kafka: ApacheKafka, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
    consumer.assign([TopicPartition("moons", 0)])
    found: list[bytes] = []
    async with consumer, asyncio.timeout(60):
        while len(set(found)) < count:
            batches = await consumer.getmany(timeout_ms=500)
            found += [record.value for records in batches.values() for record in records]
    return list(dict.fromkeys(found))  # a send that timed out may have arrived


@needs_java
@pytest.mark.stack
async def test_one_node_keeps_its_records_cluster_id_and_address(kafka: ApacheKafka) -> None:
    await create_topic(kafka, "moons")
    await produce(kafka, b"Io")
    before = (kafka.bootstrap, kafka.cluster_id)
    with pytest.raises(DataFolderBusyError):
        ApacheKafka(kafka.data_dir).start()
    kafka.kill(1)
    kafka.stop()
    again = ApacheKafka(kafka.data_dir)
    again.start()
    try:
        assert (again.bootstrap, again.cluster_id) == before
        assert await consume(again, 1) == [b"Io"]
    finally:
        again.stop()


@needs_java
@pytest.mark.three_nodes
@pytest.mark.parametrize("kafka", [3], indirect=True)
async def test_three_nodes_accept_writes_while_any_one_is_dead_or_silent(
    kafka: ApacheKafka,
) -> None:
    await create_topic(kafka, "moons")
    expected: list[bytes] = []
    for number in (1, 2, 3):
        kafka.kill(number)
        await produce(kafka, b"killed %d" % number)
        kafka.start_node(number)
        kafka.pause(number)
        await produce(kafka, b"paused %d" % number)
        kafka.resume(number)
        expected += [b"killed %d" % number, b"paused %d" % number]
    assert await consume(kafka, len(expected)) == expected


def test_a_cluster_does_not_change_its_size(tmp_path: Path) -> None:
    load_layout(tmp_path / "cluster.json", 3).save(tmp_path / "cluster.json")
    with pytest.raises(ValueError, match="holds a cluster of 3 nodes, not 1"):
        ApacheKafka(tmp_path)


def test_missing_java_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(MissingProgramError, match="install a JRE such as openjdk-17-jre-headless"):
        find_java()


def test_missing_maven_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingProgramError, match="install the package maven"):
        find_jars()


def test_the_pom_names_the_version_that_the_code_expects() -> None:
    pom = kafka_jars._POM.read_text(encoding="utf-8")  # noqa: SLF001 - the test is about this file
    assert set(re.findall(r"<version>(4\.[\d.]+)</version>", pom)) == {KAFKA_VERSION}
