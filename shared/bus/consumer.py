"""Reading a log exactly once, with positions in Postgres.

Kafka says which partitions are ours; Postgres says where in them we are. A handler moves the
position in the transaction of its effect, on condition that it still has the expected value, so
whatever a zombie or a stale fetch does, it cannot commit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from shared.bus.batches import Batch, Record
from shared.bus.client import Subscription, client_of, reads
from shared.bus.errors import kafka_errors_only
from shared.bus.gaps import Gaps
from shared.bus.positions import Positions
from shared.bus.topics import Cluster
from shared.bus.watchdog import Watchdog
from shared.bus.windows import Windows
from shared.db import inbox
from shared.db.errors import is_unavailable
from shared.db.jobs import rest
from shared.db.transaction import Database
from shared.observability.logging import get_logger
from shared.observability.metrics import CONSUMER_LAG

log = get_logger(__name__)

_CLUSTER_CHECK = 2.0
_COMMIT_EVERY = 1.0
_RECONNECT = 1.0
_IDLE_MS = 200
_PULSE = 5.0
_PAUSE = 0.05
"""While a window is saved nobody can save the next: records are looked for now and then.

As are those that are missing.
"""


class Handler(Protocol):
    """What is done with records. It moves positions with `shared.db.inbox.advance`."""

    async def handle(self, batches: Sequence[Batch], group: str) -> None:
        """Process all batches and move their positions. Raises `inbox.Fenced` when too late."""
        ...


class _Directly:
    """Hands batches to a handler that saves each before the next is fetched."""

    is_busy = False

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def take(self, batches: Sequence[Batch], group: str) -> Sequence[Batch]:
        await self._handler.handle(batches, group)
        return batches

    async def settle(self, group: str, *, wait: bool = False) -> Sequence[Batch]:  # noqa: ARG002 - nothing is ever left
        return ()

    async def pause(self, seconds: float) -> None:  # noqa: ARG002 - nothing is being saved
        return

    async def discard(self) -> None:
        return


class Consumer:
    """Feeds a handler with the records of the partitions that are ours."""

    def __init__(
        self,
        subscription: Subscription,
        handler: Handler | Windows[Any],
        *,
        bootstrap: str,
        database: Database,
        cluster: Cluster,
    ) -> None:
        self._subscription = subscription
        self._handler = handler if isinstance(handler, Windows) else _Directly(handler)
        self._bootstrap = bootstrap
        self._positions = Positions(
            subscription.group, bootstrap=bootstrap, database=database, cluster=cluster
        )
        self._watchdog = Watchdog(subscription.group)
        self._waiting: asyncio.Timeout | None = None
        self._mistake: Exception | None = None
        self._expected: dict[TopicPartition, int] = {}
        self._saved: dict[TopicPartition, int] = {}
        self._gaps = Gaps("")
        self._token = self._cleared = 0
        self._seated = self._is_saving = self._is_another_log = False

    @property
    def is_assigned(self) -> bool:
        """Whether the group has given this member its partitions."""
        return self._seated

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until told to stop, reconnecting for as long as it takes."""
        self._watchdog.start()
        try:
            while not stop.is_set():
                try:
                    with kafka_errors_only():
                        await self._consume(stop)
                except Exception as error:
                    if not (is_unavailable(error) or isinstance(error, KafkaError)):
                        raise
                    self._beat()
                    log.warning(
                        "consumer_reconnects",
                        group=self._subscription.group,
                        error=str(error) or type(error).__name__,
                    )
                    await rest(stop, _RECONNECT)
        finally:
            self._watchdog.stop()

    async def _consume(self, stop: asyncio.Event) -> None:
        client = client_of(self._subscription, self._bootstrap)
        await self._handler.discard()
        self._seated, self._expected, self._saved = False, {}, {}
        self._mistake = None
        await client.start()
        self._is_another_log = False
        beside = [
            asyncio.create_task(_every(_PULSE, self._pulse)),
            asyncio.create_task(_every(_CLUSTER_CHECK, self._check_log)),
            asyncio.create_task(_every(_COMMIT_EVERY, partial(self._show_progress, client))),
        ]
        try:
            client.subscribe(list(self._subscription.topics), listener=_Seating(self, client))
            await self._loop(client, stop, beside)
        finally:
            for task in beside:
                task.cancel()
            with suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(client.stop(), timeout=10)

    async def _pulse(self) -> None:
        """Say that work goes on while records are saved, however many statements that takes.

        Each statement has a limit of its own. A loop that is blocked cannot say it.
        """
        if self._is_saving:
            self._beat()

    def _beat(self) -> None:
        self._watchdog.beat()
        # One that has expired is on its way to the loop, and takes no other time.
        if self._waiting is not None and not self._waiting.expired():
            now = asyncio.get_running_loop().time()
            self._waiting.reschedule(now + self._subscription.patience_seconds)

    async def _loop(
        self, client: AIOKafkaConsumer, stop: asyncio.Event, beside: Sequence[asyncio.Task[None]]
    ) -> None:
        while not stop.is_set():
            self._beat()
            if self._mistake is not None:
                raise self._mistake
            for ended in (task for task in beside if task.done()):
                ended.result()  # by a mistake of ours: nobody would look at the log any more
            if self._is_another_log:
                self._is_another_log = False
                await self._reseat(client)
            token = self._token
            if token != self._cleared:
                # What was read before the partitions changed is not ours to save any more.
                await self._handler.discard()
                self._cleared = token
                continue
            fetched = await self._fetch(client)
            if token != self._token or not self._seated:
                # It may begin after records that were dropped here before: never process it.
                self._rewind(client)
                continue
            if not fetched:
                await self._handler.pause(_PAUSE)
            await self._process(client, fetched)
        await self._hand_over(client, [], wait=True)

    async def _fetch(self, client: AIOKafkaConsumer) -> Mapping[TopicPartition, Sequence[Record]]:
        """Return what the client has read. Raises when it might never read anything again."""
        if not reads(client):
            raise KafkaConnectionError("the Kafka client reads no more")
        try:
            async with asyncio.timeout(self._subscription.patience_seconds) as self._waiting:
                # Only getmany: a cancelled getone would switch the client's poll watchdog off.
                fetched: Mapping[TopicPartition, Sequence[Record]] = await client.getmany(
                    timeout_ms=0 if self._handler.is_busy else _IDLE_MS,
                    max_records=self._subscription.max_records,
                )
        finally:
            self._waiting = None
        return fetched

    async def _process(
        self, client: AIOKafkaConsumer, fetched: Mapping[TopicPartition, Sequence[Record]]
    ) -> None:
        batches = [
            Batch(tp.topic, tp.partition, self._expected[tp], records)
            for tp, records in fetched.items()
            if records and tp in self._expected
        ]
        if any(batch.records[0].offset < batch.expected for batch in batches):
            await self._reseat(client)
            return
        whole, gaps = self._gaps.before(batches)
        for tp, offset in gaps.items():
            client.seek(tp, offset)
        await self._hand_over(client, whole)
        if gaps:
            await asyncio.sleep(_PAUSE)

    async def _hand_over(
        self, client: AIOKafkaConsumer, batches: Sequence[Batch], *, wait: bool = False
    ) -> None:
        """Give batches to the handler; what it has not saved yet it may still lose."""
        token, group = self._token, self._subscription.group
        self._is_saving = True
        try:
            saved = await (
                self._handler.take(batches, group)
                if batches
                else self._handler.settle(group, wait=wait)
            )
        except inbox.Fenced as error:
            log.warning("consumer_fenced", group=group, error=str(error))
            await self._reseat(client)
        except Exception as error:
            if not is_unavailable(error):
                raise
            log.warning("consumer_waits", group=group, error=str(error))
            await self._reseat(client)
        else:
            if token == self._token:
                self._expected |= _ends(batches)
                self._saved |= _ends(saved)
        finally:
            self._is_saving = False

    async def _reseat(self, client: AIOKafkaConsumer) -> None:
        """Go back to the stored positions, waiting for the database as long as it takes."""
        await self._handler.discard()
        token, wait = self._token, 0.1
        while token == self._token:
            try:
                expected = await self._positions.find(client, client.assignment())
            except Exception as error:
                if not is_unavailable(error):
                    raise
                self._beat()
                await asyncio.sleep(wait)
                wait = min(5.0, wait * 2)
            else:
                if token == self._token:
                    self._take(client, expected)
                return

    def _rewind(self, client: AIOKafkaConsumer) -> None:
        """Read again from the stored positions: what was fetched is not to be processed."""
        for tp in client.assignment():
            if tp in self._expected:
                client.seek(tp, self._expected[tp])

    def unseat(self, count: int) -> None:
        """Give up partitions: whatever was fetched from them is not processed."""
        log.info("partitions_revoked", group=self._subscription.group, count=count)
        self._seated, self._expected, self._saved = False, {}, {}
        self._token += 1

    async def seat(self, client: AIOKafkaConsumer, assigned: Sequence[TopicPartition]) -> None:
        """Take partitions over, from where Postgres says they stand."""
        while True:
            try:
                with kafka_errors_only():
                    expected = await self._positions.find(client, assigned)
                break
            except Exception as error:
                if not (is_unavailable(error) or isinstance(error, KafkaError)):
                    self._mistake = error  # the client would only log it, and go on without us
                    raise
                log.warning("seating_waits", error=str(error) or type(error).__name__)
                self._beat()
                await asyncio.sleep(_RECONNECT)
        # From here on nothing may wait: what is fetched next begins at these positions.
        self._take(client, expected)
        self._token += 1
        self._seated = True
        log.info("partitions_assigned", group=self._subscription.group, count=len(assigned))

    def _take(self, client: AIOKafkaConsumer, expected: dict[TopicPartition, int]) -> None:
        self._expected, self._saved = expected, dict(expected)
        self._gaps = Gaps(self._positions.log_id)
        self._rewind(client)

    async def _check_log(self) -> None:
        """Notice a broker that came back with an empty log under the same address."""
        if await self._positions.is_another_log():
            self._is_another_log = True

    async def _show_progress(self, client: AIOKafkaConsumer) -> None:
        """Tell Kafka and Prometheus where we are; neither is what we go by."""
        lag: dict[str, int] = {}
        for tp, offset in self._saved.items():
            end = client.highwater(tp)
            lag[tp.topic] = lag.get(tp.topic, 0) + max(0, (end or offset) - offset)
        for topic, records in lag.items():
            CONSUMER_LAG.labels(self._subscription.group, topic).set(records)
        moves: dict[TopicPartition, Any] = {
            tp: offset for tp, offset in self._saved.items() if tp in client.assignment()
        }
        if moves:
            await asyncio.wait_for(client.commit(moves), timeout=5)


async def _every(seconds: float, look: Callable[[], Awaitable[None]]) -> None:
    """Look again and again: it may fail, and may take as long as a dead broker is waited for.

    It stands beside the work: neither is a reason to stop consuming.
    """
    while True:
        await asyncio.sleep(seconds)
        with suppress(KafkaError, OSError, TimeoutError), kafka_errors_only():
            await look()


def _ends(batches: Sequence[Batch]) -> dict[TopicPartition, int]:
    return {TopicPartition(b.topic, b.partition): b.next_offset for b in batches}


class _Seating(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """Tells the consumer which partitions are its own."""

    def __init__(self, consumer: Consumer, client: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._client = client

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Let nothing that was fetched before be processed."""
        self._consumer.unseat(len(list(revoked)))

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Start where Postgres says."""
        await self._consumer.seat(self._client, list(assigned))
