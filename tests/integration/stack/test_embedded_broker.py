"""The embedded broker: what it promises, and what its docstring says it lacks."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tenure.stack.embedded_broker import EmbeddedBroker
from tenure.stack.errors import ProcessFailedError


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(tmp_path)
    broker.start()
    yield broker
    broker.stop()


async def cluster_and_topics(broker: EmbeddedBroker) -> tuple[str, list[str]]:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        cluster = await admin.describe_cluster()
        return cluster["cluster_id"], await admin.list_topics()
    finally:
        await admin.close()


async def a_topic_with_a_record(broker: EmbeddedBroker) -> int:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("moons", 3, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, acks="all") as producer:
        return (await producer.send_and_wait("moons", b"Io", partition=0)).offset


async def test_a_restart_is_a_new_cluster_on_the_same_port(broker: EmbeddedBroker) -> None:
    address = broker.bootstrap
    assert await a_topic_with_a_record(broker) == 0
    first, topics = await cluster_and_topics(broker)
    assert topics == ["moons"]
    broker.restart()
    second, topics = await cluster_and_topics(broker)
    assert (broker.bootstrap, topics) == (address, [])
    assert second != first


async def test_a_killed_broker_starts_again(broker: EmbeddedBroker) -> None:
    broker.kill()
    assert not broker.process.is_running
    broker.start()
    assert await a_topic_with_a_record(broker) == 0


def test_it_stops_at_once_with_a_client_connected(broker: EmbeddedBroker) -> None:
    broker.process.terminate(grace=2)
    broker.start()
    broker.stop()
    assert broker.process.exit_code == 0


def test_faults_need_a_broker_that_was_started(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailedError, match="never started"):
        EmbeddedBroker(tmp_path).kill()
