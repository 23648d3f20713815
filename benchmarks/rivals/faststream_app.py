"""FastStream with asyncpg: a batch subscriber, one transaction to a batch, then the offset.

The effect is idempotent by (source, id); Kafka's offset is committed after Postgres's commit.
"""

import asyncio
import os

import asyncpg
import uvloop
from events import Event, Sums, add_up, decode
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

CLAIM = """
INSERT INTO seen SELECT * FROM unnest($1::text[], $2::text[])
ON CONFLICT DO NOTHING RETURNING source, id
"""
ADD = """
INSERT INTO {table} AS t SELECT * FROM unnest($1::text[], $2::date[], $3::text[], $4::bigint[])
ON CONFLICT (account_id, day, {column}) DO UPDATE SET n = t.n + excluded.n
"""

broker = KafkaBroker(os.environ["BOOTSTRAP"])
app = FastStream(broker)
pool: asyncpg.Pool


@app.on_startup
async def connect() -> None:
    """Open the pool before the first message."""
    global pool  # noqa: PLW0603 - as FastStream's own examples keep a connection
    pool = await asyncpg.create_pool(os.environ["DATABASE"], min_size=1, max_size=2)


async def keep_bytes(message: KafkaMessage) -> list[bytes]:
    """Leave decoding to the handler: one decoder for all, and no pydantic model to an event."""
    return [record.value for record in message.raw_message]


@broker.subscriber(
    os.environ["TOPIC"],
    group_id=os.environ["GROUP"],
    batch=True,
    max_records=5_000,
    auto_offset_reset="earliest",
    session_timeout_ms=6_000,
    heartbeat_interval_ms=1_000,
    ack_policy=AckPolicy.NACK_ON_ERROR,
    decoder=keep_bytes,
    no_reply=True,
)
async def count(values: list[bytes]) -> None:
    """Count a batch in one transaction."""
    events = decode(values)
    async with pool.acquire() as connection, connection.transaction():
        keys = sorted(events)
        rows = await connection.fetch(CLAIM, [key[0] for key in keys], [key[1] for key in keys])
        fresh: list[Event] = [events[row["source"], row["id"]] for row in rows]
        names, users = add_up(fresh)
        await add(connection, "usage_daily", "name", names)
        await add(connection, "usage_users", "user_id", users)


async def add(connection: asyncpg.Connection, table: str, column: str, sums: Sums) -> None:
    """Add sums to a table, in the order of its keys."""
    rows = sorted(sums.items())
    columns = [[key[part] for key, _ in rows] for part in range(3)]
    await connection.execute(ADD.format(table=table, column=column), *columns, [n for _, n in rows])


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(app.run())
