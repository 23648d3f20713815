"""Reading topics without being anybody: no group, no positions, nothing is moved."""

from collections.abc import AsyncIterator, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.bus.batches import Record
from shared.kernel.errors import NotFound


class UnknownTopic(NotFound):
    """There is no such topic."""


async def tail(
    bootstrap: str, topics: Sequence[str], *, from_beginning: bool, follow: bool
) -> AsyncIterator[Record]:
    """Yield records of topics; without ``follow`` it ends at the end of the log as it is now.

    Raises `UnknownTopic`, and the broker's errors.
    """
    client = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        # Not by seeking: the fetcher starts with the assignment, and the two would race.
        auto_offset_reset="earliest" if from_beginning else "latest",
    )
    try:
        await client.start()
        partitions = await _assign(client, topics)
        ends = await client.end_offsets(partitions)
        left = {tp for tp in partitions if from_beginning and ends[tp] > 0}
        while follow or left:
            for tp, records in (await client.getmany(timeout_ms=200)).items():
                for record in records:
                    yield record
                if records and records[-1].offset + 1 >= ends[tp]:
                    left.discard(tp)
            left = {tp for tp in left if await client.position(tp) < ends[tp]}
    finally:
        await client.stop()


async def _assign(client: AIOKafkaConsumer, topics: Sequence[str]) -> list[TopicPartition]:
    present = await client.topics()
    missing = [topic for topic in topics if topic not in present]
    if missing:
        raise UnknownTopic(f"no topic {', '.join(missing)}; `tenure topics apply` makes Tenure's")
    partitions = []
    for topic in topics:
        client._client.add_topic(topic)  # noqa: SLF001 - manual assignment loads no metadata
        await client._client.force_metadata_update()  # noqa: SLF001
        found = client.partitions_for_topic(topic) or set()
        partitions += [TopicPartition(topic, number) for number in sorted(found)]
    client.assign(partitions)
    return partitions
