"""Topics are made once, and never changed behind anybody's back."""

from uuid import uuid4

import pytest

from shared.bus.topics import (
    Topic,
    TopicMismatch,
    apply_topics,
    delete_topics,
    describe_topics,
    read_topics,
)
from tests.stacks import Stack


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


def test_every_topic_has_one_for_its_dead_letters_and_usage_has_48_partitions() -> None:
    topics = {topic.name: topic.partitions for topic in read_topics()}
    live = {name for name in topics if not name.endswith(".dlq")}
    assert {f"{name}.dlq" for name in live} == topics.keys() - live
    assert topics["tenure.usage"] == 48
