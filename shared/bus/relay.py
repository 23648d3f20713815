"""The relay: outbox rows become Kafka records, in order for each account, at least once.

One replica of a service is the relay at a time: the one whose connection holds an advisory lock.
It reads and marks rows on that same connection, so losing the lock ends its work.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress

from aiokafka.errors import KafkaError

from shared.bus.dead_letters import copy_dead_letters, retry_dead_letters
from shared.bus.errors import kafka_errors_only
from shared.bus.producer import Message, Producer
from shared.bus.topics import Cluster
from shared.contracts.event import headers_of
from shared.contracts.registry import topic_of
from shared.db import outbox
from shared.db.errors import is_unavailable
from shared.db.jobs import rest
from shared.db.outbox import Connection
from shared.db.transaction import Database, Row
from shared.kernel.errors import Refusal
from shared.kernel.failpoints import reach
from shared.observability.logging import get_logger
from shared.observability.metrics import OUTBOX_UNPUBLISHED, RELAY_LEADER, RELAY_PUBLISHED

log = get_logger(__name__)

_BATCH = 500
_FASTEST_POLL = 0.02
_SLOWEST_POLL = 0.25
_STANDBY_POLL = 1.0
_CLUSTER_CHECK = 2.0


class Relay:
    """Publishes one service's outbox."""

    def __init__(self, database: Database, producer: Producer, cluster: Cluster) -> None:
        self._database = database
        self._producer = producer
        self._cluster = cluster
        self._kicked = asyncio.Event()
        database.after_emit(self._kicked.set)

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until told to stop, waiting out every outage."""
        while not stop.is_set():
            try:
                with kafka_errors_only():
                    await self._stand_by(stop)
            except Exception as error:
                if not (is_unavailable(error) or isinstance(error, (KafkaError, Refusal))):
                    raise
                log.warning("relay_waits", error=str(error) or type(error).__name__)
                await rest(stop, _STANDBY_POLL)
            finally:
                RELAY_LEADER.set(0)

    async def _stand_by(self, stop: asyncio.Event) -> None:
        async with self._database.engine.connect() as raw:
            connection = await raw.execution_options(isolation_level="AUTOCOMMIT")
            while not stop.is_set() and not await outbox.take_lead(connection):
                await rest(stop, _STANDBY_POLL)
            try:
                await self._lead(connection, stop)
            finally:
                # The lock belongs to the session: closing, not pooling, gives it back for sure.
                await raw.invalidate()

    async def _lead(self, connection: Connection, stop: asyncio.Event) -> None:
        RELAY_LEADER.set(1)
        poll, next_check = _FASTEST_POLL, 0.0
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            if loop.time() >= next_check:
                # Before the broker is asked for anything: while it is away, this is what tells.
                OUTBOX_UNPUBLISHED.set(await outbox.count_unpublished(connection))
                await self._check_cluster(connection)
                await copy_dead_letters(self._database, self._producer)
                await retry_dead_letters(self._database, self._producer)
                next_check = loop.time() + _CLUSTER_CHECK
            sent = await self._publish_some(connection)
            poll = _FASTEST_POLL if sent else min(_SLOWEST_POLL, poll * 1.5)
            if sent < _BATCH:
                await self._pause(poll)

    async def _publish_some(self, connection: Connection) -> int:
        self._kicked.clear()
        rows = await outbox.unpublished(connection, _BATCH)
        sent, failed = await self._send(rows)
        await outbox.mark_published(connection, sent)
        reach("relay.marked")
        RELAY_PUBLISHED.inc(len(sent))
        if failed:
            error = next(iter(failed.values()))
            await outbox.mark_failed(connection, sorted(failed), error.detail)
            raise error
        return len(rows)

    async def _send(self, rows: Sequence[Row]) -> tuple[list[int], dict[int, Refusal]]:
        """Send rows wave after wave, up to one with failures; return what was sent, and those."""
        sent: list[int] = []
        for wave in _waves(rows):
            answers = await self._producer.send_all([_message(row) for row in wave])
            reach("relay.sent")
            outcome = zip(wave, answers, strict=True)
            failed = {row["seq"]: error for row, error in outcome if error is not None}
            sent += [row["seq"] for row in wave if row["seq"] not in failed]
            if failed:
                return sent, failed
        return sent, {}

    async def _check_cluster(self, connection: Connection) -> None:
        """Publish everything that is kept again when the broker is not the one it was."""
        cluster_id = await self._cluster.id()
        known = await outbox.last_cluster(connection)
        if known == cluster_id:
            return
        if known is not None:
            count = await outbox.republish_all(connection)
            log.warning("broker_log_is_new", cluster_id=cluster_id, republished=count)
        await outbox.note_cluster(connection, cluster_id)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._kicked.wait(), seconds)


def _waves(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Split rows so that an account's next event is sent only after its last was acknowledged."""
    waves: list[list[Row]] = []
    depth: dict[str, int] = {}
    for row in rows:
        wave = depth.get(row["account_id"], 0)
        depth[row["account_id"]] = wave + 1
        if wave == len(waves):
            waves.append([])
        waves[wave].append(row)
    yield from waves


def _message(row: Row) -> Message:
    return Message(
        topic=topic_of(row["publisher"]),
        key=row["account_id"].encode(),
        value=outbox.payload_bytes(row["payload"]),
        headers=headers_of(str(row["id"]), row["type"], row["traceparent"]),
    )
