"""Reading topics, and keeping what a broker that forgets held before it died."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.health.domain.usage.event import Reception, read_cloudevent
from services.health.domain.usage.members import InvalidEvent
from shared.bus.tail import tail
from shared.bus.topics import USAGE_TOPIC
from shared.contracts.registry import topic_of
from tenure.catalog import SERVICES

FACT_TOPICS = [topic_of(name) for name in SERVICES]
DEAD_TOPICS = [f"{name}.dlq" for name in (*FACT_TOPICS, USAGE_TOPIC)]


@dataclass(frozen=True, slots=True)
class Said:
    """A fact on a topic."""

    topic: str
    partition: int
    offset: int
    id: str
    account: str


@dataclass(slots=True)
class Log:
    """What the topics held, from the beginning to the end of one life of a broker."""

    facts: list[Said] = field(default_factory=list)
    usage: dict[tuple[str, str], tuple[str, date, str, str | None]] = field(default_factory=dict)
    usage_records: int = 0
    dead: list[tuple[str, bytes]] = field(default_factory=list)


class Topics:
    """Reads the broker. ``lives`` are the logs of brokers that have died since."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.lives: list[Log] = []

    def archive(self) -> None:
        """Keep what the broker holds now; it is about to lose it."""
        self.lives.append(self.read())

    def read(self) -> Log:
        """Read every topic from its beginning to its end."""
        return asyncio.run(asyncio.wait_for(_read(self.bootstrap), 120))

    def ends(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        """Return the end of each partition."""
        return asyncio.run(asyncio.wait_for(_ends(self.bootstrap, list(topics)), 60))

    def behind(self) -> list[str]:
        """Return the partitions that a broker lacks: the death of another may stop these."""
        return asyncio.run(asyncio.wait_for(_behind(self.bootstrap), 60))


async def _read(bootstrap: str) -> Log:
    log = Log()
    async for record in tail(
        bootstrap,
        [*FACT_TOPICS, USAGE_TOPIC, *DEAD_TOPICS],
        from_beginning=True,
        follow=False,
    ):
        value = record.value or b""
        if record.topic in DEAD_TOPICS:
            log.dead.append((record.topic.removesuffix(".dlq"), value))
            continue
        try:
            body = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue  # poison: the dead letters have it
        if record.topic == USAGE_TOPIC:
            log.usage_records += 1
            received_at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
            for event in body if isinstance(body, list) else [body]:
                _note_usage(log, event, received_at)
        elif isinstance(body, dict) and "id" in body:
            said = Said(
                record.topic, record.partition, record.offset, body["id"], str(body.get("subject"))
            )
            log.facts.append(said)
    return log


def _note_usage(log: Log, event: object, received_at: datetime) -> None:
    """Read an event as health does; the first copy is the one that counts."""
    try:
        found = read_cloudevent(event, Reception("", received_at))
    except InvalidEvent:
        return
    day = found.time.astimezone(UTC).date()
    cell = (str(found.account_id), day, found.name, found.user_id)
    log.usage.setdefault((found.source, found.id), cell)


async def _ends(bootstrap: str, topics: list[str]) -> dict[tuple[str, int], int]:
    client = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await client.start()
    try:
        partitions = []
        for topic in topics:
            client._client.add_topic(topic)  # noqa: SLF001 - no group, no metadata otherwise
            await client._client.force_metadata_update()  # noqa: SLF001
            found = client.partitions_for_topic(topic) or set()
            partitions += [TopicPartition(topic, number) for number in found]
        ends = await client.end_offsets(partitions)
        return {(tp.topic, tp.partition): end for tp, end in ends.items()}
    finally:
        await client.stop()


async def _behind(bootstrap: str) -> list[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        return [
            f"{topic['topic']}/{each['partition']}"
            for topic in await admin.describe_topics()
            for each in topic["partitions"]
            if len(each["isr"]) < len(each["replicas"])
        ]
    finally:
        await admin.close()
