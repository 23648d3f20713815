"""Where logs end, by what can be read of them."""

import asyncio
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

_SILENCE_MS = 500


async def read_ends(
    bootstrap: str, claimed: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Read on from the claimed ends and return the true ones."""
    ends = dict(claimed)
    client = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="latest",
        fetch_max_wait_ms=100,
    )
    await asyncio.wait_for(client.start(), timeout=10)
    try:
        client.assign(list(claimed))
        for tp, end in claimed.items():
            client.seek(tp, end)
        while found := await client.getmany(timeout_ms=_SILENCE_MS):
            for tp, records in found.items():
                ends[tp] = max(ends[tp], records[-1].offset + 1)
    finally:
        await client.stop()
    return ends
