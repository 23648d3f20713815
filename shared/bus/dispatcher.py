"""What happens to a domain event, from the outside in.

Dead letter, span and metrics, retry with back-off, time limit, transaction and inbox, listener.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.bus.batches import Batch, Record
from shared.bus.listeners import Listener
from shared.bus.retry import Backoff, GiveUp, defect
from shared.contracts.event import Event, Fact, MalformedEvent
from shared.contracts.registry import BY_TYPE, fact_of
from shared.db import dead_letters, inbox
from shared.db.errors import is_unavailable
from shared.db.transaction import Database, Transaction
from shared.kernel.failpoints import reach
from shared.observability.logging import get_logger
from shared.observability.metrics import DEAD_LETTERS, EVENT_AGE, EVENTS_HANDLED, HANDLING
from shared.observability.tracing import span

log = get_logger(__name__)

_TIME_LIMIT = 30.0
_ANSWER_LIMIT = 5.0


class TooSlow(Exception):  # noqa: N818 - says what a listener was, as its dead letter does
    """A listener took longer than it may, and the database was not to blame."""


class Dispatcher:
    """Gives each event to the listeners for its type, once, in one transaction."""

    def __init__(
        self, database: Database, listeners: Sequence[Listener], *, backoff: Backoff | None = None
    ) -> None:
        self._database = database
        self._backoff = backoff or Backoff()
        self._by_type: dict[str, list[Listener]] = {}
        for listener in listeners:
            self._by_type.setdefault(listener.fact.event_type, []).append(listener)

    async def handle(self, batches: Sequence[Batch], group: str) -> None:
        """Process the records of each partition in order, one transaction an event.

        Positions move past events that nobody here listens to last, all in one step.
        """
        reached = [await self._handle_partition(batch, group) for batch in batches]
        await self._pass_over(batches, reached, group)

    async def _handle_partition(self, batch: Batch, group: str) -> int:
        """Return where the position is then: past the last event that was listened to."""
        expected = batch.expected
        for record in batch.records:
            move = Move(group, batch.topic, batch.partition, expected, record.offset + 1)
            if await self._handle_record(record, move):
                expected = move.next
        return expected

    async def _pass_over(
        self, batches: Sequence[Batch], reached: Sequence[int], group: str
    ) -> None:
        steps: dict[str, dict[int, tuple[int, int]]] = {}
        for batch, expected in zip(batches, reached, strict=True):
            if expected != batch.next_offset:
                steps.setdefault(batch.topic, {})[batch.partition] = (expected, batch.next_offset)
        if not steps:
            return
        async with self._database.transaction() as tx:
            for topic in sorted(steps):
                await inbox.advance(tx, group, topic, steps[topic])

    async def _handle_record(self, record: Record, move: "Move") -> bool:
        """Return whether the position was moved past the record."""
        headers = headers_of(record)
        if (named := headers.get("event_type")) and named not in self._by_type:
            _count_passed_over(named)
            return False
        try:
            event = Event.from_record(record.value, headers)
            fact = fact_of(event) if event.type in self._by_type else None
        except MalformedEvent as error:
            await self._set_aside(record, move, GiveUp(error.code(), error.detail))
            return True
        except Exception as error:
            # Reading touches nothing but the record: tried again, it would fail as it did.
            log.exception("event_not_read", topic=record.topic, offset=record.offset)
            await self._set_aside(record, move, defect(error))
            return True
        if fact is None:
            _count_passed_over(event.type)
            return False
        listeners = self._by_type[event.type]
        with span(f"hear {event.type}", event.traceparent), HANDLING.time():
            outcome = await self._with_retry(event, fact, listeners, move)
        if outcome is not None:
            await self._set_aside(record, move, outcome)
        return True

    async def _with_retry(
        self, event: Event, fact: Fact, listeners: Sequence[Listener], move: "Move"
    ) -> GiveUp | None:
        attempt = 0
        while True:
            attempt += 1
            try:
                async with asyncio.timeout(_TIME_LIMIT) as limit:
                    await self._once(event, fact, listeners, move)
            except inbox.Fenced:
                raise
            except Exception as error:
                cause = await self._why_so_slow(error) if limit.expired() else error
                if is_unavailable(cause):
                    raise
                decision = self._backoff.after(cause, attempt)
                log.warning("listener_failed", type=event.type, id=event.id, exc_info=True)
                if isinstance(decision, GiveUp):
                    return decision
                await asyncio.sleep(decision.seconds)
            else:
                return None

    async def _why_so_slow(self, error: Exception) -> Exception:
        """Tell a database that does not answer, which is waited for, from a listener at fault."""
        try:
            async with asyncio.timeout(_ANSWER_LIMIT), self._database.transaction() as tx:
                await tx.fetch_value("SELECT 1")
        except Exception as silence:
            if is_unavailable(silence):
                return error
            raise
        return TooSlow(f"it took longer than {_TIME_LIMIT:g} s, while the database answered")

    async def _once(
        self, event: Event, fact: Fact, listeners: Sequence[Listener], move: "Move"
    ) -> None:
        async with self._database.transaction(cause=event) as tx:
            is_new = await inbox.claim(tx, event)
            if is_new:
                for listener in listeners:
                    await listener.handle(tx, fact)
            await move.make(tx)
            reach("dispatcher.before_commit")
        reach("dispatcher.after_commit")
        EVENTS_HANDLED.labels(event.type, "handled" if is_new else "duplicate").inc()
        EVENT_AGE.observe(max(0.0, (datetime.now(UTC) - event.time).total_seconds()))

    async def _set_aside(self, record: Record, move: "Move", why: GiveUp) -> None:
        log.error("dead_letter", topic=record.topic, offset=record.offset, code=why.code)
        async with self._database.transaction() as tx:
            await dead_letters.save(tx, dead_letter_of(record, why))
            await move.make(tx)
        DEAD_LETTERS.labels(record.topic, why.code).inc()


@dataclass(frozen=True, slots=True)
class Move:
    """A position's step past one record."""

    group: str
    topic: str
    partition: int
    expected: int
    next: int

    async def make(self, tx: Transaction) -> None:
        """Make the step. Raises `inbox.Fenced` when the position is not where it was."""
        step = {self.partition: (self.expected, self.next)}
        await inbox.advance(tx, self.group, self.topic, step)


def _count_passed_over(event_type: str) -> None:
    """Count an event nobody listens to; a type we do not know has no label of its own."""
    labels = (event_type, "ignored") if event_type in BY_TYPE else ("other", "unknown")
    EVENTS_HANDLED.labels(*labels).inc()


def headers_of(record: Record) -> dict[str, str]:
    """Return a record's headers as text; bytes that are not text keep their values."""
    return {name: value.decode("latin-1") for name, value in record.headers if value is not None}


def dead_letter_of(record: Record, why: GiveUp) -> dead_letters.DeadLetter:
    """Return a record, exactly as it was read, with the reason it is set aside."""
    return dead_letters.DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=headers_of(record),
        code=why.code,
        reason=why.reason,
    )
