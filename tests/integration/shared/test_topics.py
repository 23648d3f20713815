"""Topics are made once, and never changed behind anybody's back."""

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.bus.topics import (
    USAGE_TOPIC,
    Topic,
    TopicMismatch,
    apply_topics,
    delete_topics,
    describe_topics,
    read_topics,
)
from tests.stacks import Stack

STACK = os.environ.get("TENURE_TEST_STACK", "embedded")


async def test_topics_are_applied_twice_with_the_same_result(stack: Stack) -> None:
    topics = [Topic(f"test.{uuid4().hex[:12]}", 3, -1), Topic(f"test.{uuid4().hex[:12]}", 1, -1)]
    names = [topic.name for topic in topics]
    try:
        assert await apply_topics(stack.bootstrap, topics) == dict.fromkeys(names, "created")
        assert await apply_topics(stack.bootstrap, topics) == dict.fromkeys(names, "exists")
        present = await describe_topics(stack.bootstrap)
        assert [present[name] for name in names] == [3, 1]
    finally:
        await delete_topics(stack.bootstrap, names)


async def test_a_topic_with_other_partitions_is_refused_and_left_alone(stack: Stack) -> None:
    name = f"test.{uuid4().hex[:12]}"
    try:
        await apply_topics(stack.bootstrap, [Topic(name, 3, -1)])
        with pytest.raises(TopicMismatch, match=f"{name} has 3 partitions .* asks for 6"):
            await apply_topics(stack.bootstrap, [Topic(name, 6, -1)])
        assert (await describe_topics(stack.bootstrap))[name] == 3
    finally:
        await delete_topics(stack.bootstrap, [name])


@pytest.mark.skipif(STACK == "embedded", reason="the embedded broker keeps the sender's time")
async def test_records_are_as_old_as_the_broker_says_not_their_sender(stack: Stack) -> None:
    """Stamped with the days it is about, history would be past retention when it arrives."""
    usage = next(topic for topic in read_topics() if topic.name == USAGE_TOPIC)
    name = f"test.{uuid4().hex[:12]}"
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.bootstrap, auto_offset_reset="earliest")
    try:
        await apply_topics(stack.bootstrap, [replace(usage, name=name, partitions=1)])
        await producer.start()
        await producer.send_and_wait(name, b"{}", timestamp_ms=1)
        await consumer.start()
        consumer.assign([TopicPartition(name, 0)])
        record = await asyncio.wait_for(consumer.getone(), timeout=30)
        assert datetime.now(UTC).timestamp() - record.timestamp / 1000 < 3_600
    finally:
        await producer.stop()
        await consumer.stop()
        await delete_topics(stack.bootstrap, [name])


def test_every_topic_has_one_for_its_dead_letters_and_usage_has_48_partitions() -> None:
    topics = {topic.name: topic.partitions for topic in read_topics()}
    live = {name for name in topics if not name.endswith(".dlq")}
    assert {f"{name}.dlq" for name in live} == topics.keys() - live
    assert topics["tenure.usage"] == 48
