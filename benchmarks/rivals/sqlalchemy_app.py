"""Plain aiokafka and SQLAlchemy Core: one transaction holds the effect and the position."""

import os
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from events import Sums, add_up, decode
from sqlalchemy import BigInteger, Column, Date, Integer, MetaData, Table, Text, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

meta = MetaData()
seen = Table("seen", meta, *(Column(name, Text, primary_key=True) for name in ("source", "id")))


def counts(name: str, column: str) -> Table:
    """Describe a table of daily counts."""
    keys = [Column("account_id", Text, primary_key=True), Column("day", Date, primary_key=True)]
    return Table(name, meta, *keys, Column(column, Text, primary_key=True), Column("n", BigInteger))


usage_daily = counts("usage_daily", "name")
usage_users = counts("usage_users", "user_id")
positions = Table(
    "positions",
    meta,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger),
)


class Seek(ConsumerRebalanceListener):
    """Starts each partition where Postgres says."""

    def __init__(self, engine: AsyncEngine, client: AIOKafkaConsumer) -> None:
        self.engine, self.client = engine, client

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Nothing is kept between batches."""

    async def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        """Seek to the stored positions."""
        async with self.engine.connect() as connection:
            rows = await connection.execute(select(positions))
            stored = {TopicPartition(row.topic, row.partition): row.next_offset for row in rows}
        for tp in assigned:
            self.client.seek(tp, stored.get(tp, 0))


async def count(connection: AsyncConnection, fetched: dict[TopicPartition, list[Any]]) -> None:
    """Count a batch and move the positions, in the caller's transaction."""
    events = decode(record.value for records in fetched.values() for record in records)
    claim = insert(seen).on_conflict_do_nothing().returning(seen.c.source, seen.c.id)
    keys = [{"source": source, "id": id_} for source, id_ in sorted(events)]
    fresh = (await connection.execute(claim, keys)).all() if keys else []
    names, users = add_up(events[source, id_] for source, id_ in fresh)
    await add(connection, usage_daily, "name", names)
    await add(connection, usage_users, "user_id", users)
    move = insert(positions)
    move = move.on_conflict_do_update(
        index_elements=["topic", "partition"], set_={"next_offset": move.excluded.next_offset}
    )
    ends = [
        {"topic": tp.topic, "partition": tp.partition, "next_offset": records[-1].offset + 1}
        for tp, records in fetched.items()
    ]
    await connection.execute(move, ends)


async def add(connection: AsyncConnection, table: Table, column: str, sums: Sums) -> None:
    """Add sums to a table, in the order of its keys."""
    rows = [
        {"account_id": key[0], "day": key[1], column: key[2], "n": n}
        for key, n in sorted(sums.items())
    ]
    if rows:
        upsert = insert(table)
        upsert = upsert.on_conflict_do_update(
            index_elements=["account_id", "day", column], set_={"n": table.c.n + upsert.excluded.n}
        )
        await connection.execute(upsert, rows)


async def main() -> None:
    """Consume for ever."""
    engine = create_async_engine(
        os.environ["DATABASE"].replace("postgresql://", "postgresql+asyncpg://")
    )
    client = AIOKafkaConsumer(
        bootstrap_servers=os.environ["BOOTSTRAP"],
        group_id=os.environ["GROUP"],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=6_000,
        heartbeat_interval_ms=1_000,
    )
    await client.start()
    client.subscribe([os.environ["TOPIC"]], listener=Seek(engine, client))
    while True:
        fetched = await client.getmany(timeout_ms=200, max_records=5_000)
        if fetched:
            async with engine.begin() as connection:
                await count(connection, fetched)


if __name__ == "__main__":
    uvloop.run(main())
