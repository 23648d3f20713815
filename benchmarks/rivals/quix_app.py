"""Quix Streams with psycopg: a batching sink, flushed at each checkpoint, then the offsets.

Quix commits Kafka's offsets after `write` returned; the effect is idempotent by (source, id).
"""

import os
from datetime import date

import psycopg
from events import Sums, add_up, decode
from quixstreams import Application
from quixstreams.sinks import BatchingSink, SinkBatch

CLAIM = """
INSERT INTO seen SELECT * FROM unnest(%s::text[], %s::text[])
ON CONFLICT DO NOTHING RETURNING source, id
"""
ADD = """
INSERT INTO {table} AS t
SELECT * FROM unnest(%s::text[], %s::date[], %s::text[], %s::bigint[])
ON CONFLICT (account_id, day, {column}) DO UPDATE SET n = t.n + excluded.n
"""


class UsageSink(BatchingSink):
    """Counts what was read since the last checkpoint, one transaction to a partition."""

    def setup(self) -> None:
        """Connect."""
        self.connection = psycopg.connect(os.environ["DATABASE"])

    def write(self, batch: SinkBatch) -> None:
        """Count the events of one partition."""
        events = decode(item.value for item in batch)
        keys = sorted(events)
        with self.connection.transaction(), self.connection.cursor() as cursor:
            cursor.execute(CLAIM, [[key[0] for key in keys], [key[1] for key in keys]])
            names, users = add_up(events[key] for key in cursor.fetchall())
            self.add_sums(cursor, "usage_daily", "name", names)
            self.add_sums(cursor, "usage_users", "user_id", users)

    def add_sums(self, cursor: psycopg.Cursor, table: str, column: str, sums: Sums) -> None:
        """Add sums to a table, in the order of its keys."""
        rows: list[tuple[tuple[str, date, str], int]] = sorted(sums.items())
        columns = [[key[part] for key, _ in rows] for part in range(3)]
        cursor.execute(ADD.format(table=table, column=column), [*columns, [n for _, n in rows]])


app = Application(
    broker_address=os.environ["BOOTSTRAP"],
    consumer_group=os.environ["GROUP"],
    auto_offset_reset="earliest",
    auto_create_topics=False,
    state_dir=os.environ["STATE"],
    commit_interval=1.0,
    consumer_extra_config={"session.timeout.ms": 6_000, "heartbeat.interval.ms": 1_000},
)
topic = app.topic(os.environ["TOPIC"], value_deserializer="bytes", key_deserializer="bytes")
app.dataframe(topic).sink(UsageSink())

if __name__ == "__main__":
    app.run()
