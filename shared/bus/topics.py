"""Topics and the cluster they live in."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from shared.bus.errors import kafka_errors_only
from shared.kernel.errors import Invalid

TOPICS_FILE = Path(__file__).parents[2] / "deploy" / "kafka" / "topics.yml"
USAGE_TOPIC = "tenure.usage"
SIGNALS_TOPIC = "tenure.signals"
EMBEDDED = "embedded-"
"""The ids of clusters that are an embedded broker begin with this."""
_BROKER_DEFAULT = -1


class TopicMismatch(Invalid):
    """A topic exists with another number of partitions than the topics file asks for."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the topics file declares it. ``replication`` -1 is the broker's default."""

    name: str
    partitions: int
    replication: int
    config: Mapping[str, str] = field(default_factory=dict)


def read_topics(path: Path = TOPICS_FILE) -> list[Topic]:
    """Read the topics file."""
    document = yaml.safe_load(path.read_text())
    defaults = document.get("defaults", {})
    return [
        Topic(
            name=name,
            partitions=entry["partitions"],
            replication=_replication(entry.get("replication", defaults.get("replication"))),
            config={**defaults.get("config", {}), **entry.get("config", {})},
        )
        for name, entry in document["topics"].items()
    ]


async def apply_topics(bootstrap: str, topics: list[Topic]) -> dict[str, str]:
    """Create the topics that are missing; return ``{name: "created" | "exists"}``.

    Raises `TopicMismatch` when one exists with another number of partitions: it is never
    changed, because that would move accounts to other partitions.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=15_000)
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        outcome = {}
        for topic in topics:
            if topic.name in existing:
                await _check_partitions(admin, topic)
                outcome[topic.name] = "exists"
            else:
                outcome[topic.name] = await _create(admin, topic)
        return outcome
    finally:
        await admin.close()


async def describe_topics(bootstrap: str) -> dict[str, int]:
    """Return the topics there are, with the number of their partitions."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    await admin.start()
    try:
        names = await admin.list_topics()
        found = await admin.describe_topics(list(names))
        return {topic["topic"]: len(topic["partitions"]) for topic in found}
    finally:
        await admin.close()


async def delete_topics(bootstrap: str, names: list[str]) -> None:
    """Delete topics and all they hold; those that do not exist are passed over."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=15_000)
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        await admin.delete_topics([name for name in names if name in existing])
    finally:
        await admin.close()


class Cluster:
    """Knows which Kafka cluster is answering, so that a log that is a new one is noticed."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._admin: AIOKafkaAdminClient | None = None
        self._lock = asyncio.Lock()

    async def id(self) -> str:
        """Ask the cluster for its id. Raises a `KafkaError` or `OSError` when none answers."""
        async with self._lock:
            try:
                with kafka_errors_only():
                    admin = await self._connected()
                    answer = await asyncio.wait_for(admin.describe_cluster(), timeout=10)
            except BaseException:
                await self._drop()
                raise
        return str(answer.get("cluster_id") or "")

    async def close(self) -> None:
        """Close the connection."""
        async with self._lock:
            await self._drop()

    async def _connected(self) -> AIOKafkaAdminClient:
        if self._admin is None:
            admin = AIOKafkaAdminClient(
                bootstrap_servers=self._bootstrap, request_timeout_ms=10_000
            )
            await asyncio.wait_for(admin.start(), timeout=10)
            self._admin = admin
        return self._admin

    async def _drop(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            with suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(admin.close(), timeout=2)


def _replication(value: Any) -> int:
    return _BROKER_DEFAULT if value in (None, "default") else int(value)


async def _create(admin: AIOKafkaAdminClient, topic: Topic) -> str:
    wanted = NewTopic(topic.name, topic.partitions, 1, topic_configs=dict(topic.config))
    # The constructor refuses the broker's default, which the protocol allows.
    wanted.replication_factor = topic.replication
    answer = await admin.create_topics([wanted])
    for _name, code, *message in answer.topic_errors:
        if code == TopicAlreadyExistsError.errno:
            return "exists"
        if code:
            raise for_code(code)(*message)
    return "created"


async def _check_partitions(admin: AIOKafkaAdminClient, topic: Topic) -> None:
    (found,) = await admin.describe_topics([topic.name])
    count = len(found["partitions"])
    if count != topic.partitions:
        raise TopicMismatch(
            f"{topic.name} has {count} partitions and the topics file asks for "
            f"{topic.partitions}; move to a new topic instead of changing it"
        )
