"""The signals stream: typed observations that other systems put straight on Kafka.

Each record is one transaction: inbox, signal, risks and the position go together. A record that is
no CloudEvent is set aside as it is; one that names no account, an unknown type or a value that
does not fit becomes a rejection that its sender can read.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.health.domain.signal.catalogue import EARLIEST
from services.health.storage.usage import intake
from services.health.storage.usage.intake import Rejection
from services.health.usecases.signal.signals import Reported, record_signal
from shared.bus.batches import Batch, Record
from shared.bus.dispatcher import Move, dead_letter_of, headers_of
from shared.bus.retry import Backoff, GiveUp
from shared.contracts.event import Event, MalformedEvent, parse_time
from shared.db import dead_letters, inbox
from shared.db.errors import is_unavailable
from shared.db.transaction import Database
from shared.kernel.errors import Invalid, Refusal
from shared.kernel.failpoints import reach
from shared.kernel.ids import is_account_id
from shared.observability.logging import get_logger
from shared.observability.metrics import DEAD_LETTERS, EVENTS_HANDLED

log = get_logger(__name__)

PREFIX = "io.tenure.signal."
_TIME_LIMIT = 30.0
_LONGEST = 200
_LONGEST_RAW = 32 * 1024
_LABEL = "signal"


class InvalidSignal(Invalid):
    """The event is not a signal as docs/signals.md describes it."""


class SignalStream:
    """Records the signals of a topic, each exactly once."""

    def __init__(self, database: Database, *, backoff: Backoff | None = None) -> None:
        self._database = database
        self._backoff = backoff or Backoff()

    async def handle(self, batches: Sequence[Batch], group: str) -> None:
        """Record a batch, each partition in its order."""
        for batch in batches:
            expected = batch.expected
            for record in batch.records:
                move = Move(group, batch.topic, batch.partition, expected, record.offset + 1)
                await self._handle_record(record, move)
                expected = move.next
            if expected != batch.next_offset:
                rest = Move(group, batch.topic, batch.partition, expected, batch.next_offset)
                async with self._database.transaction() as tx:
                    await rest.make(tx)

    async def _handle_record(self, record: Record, move: Move) -> None:
        try:
            event = Event.from_record(record.value, headers_of(record))
        except MalformedEvent as error:
            await self._set_aside(record, move, GiveUp(error.code(), error.detail))
            return
        outcome = await self._with_retry(event, record, move)
        if outcome is not None:
            await self._set_aside(record, move, outcome)

    async def _with_retry(self, event: Event, record: Record, move: Move) -> GiveUp | None:
        attempt = 0
        while True:
            attempt += 1
            try:
                async with asyncio.timeout(_TIME_LIMIT):
                    await self._once(event, move)
            except inbox.Fenced:
                raise
            except Invalid as error:
                await self._reject(event, record, move, error)
            except Exception as error:
                if is_unavailable(error):
                    raise
                decision = self._backoff.after(error, attempt)
                log.warning("signal_failed", type=event.type, id=event.id, exc_info=True)
                if isinstance(decision, GiveUp):
                    return decision
                await asyncio.sleep(decision.seconds)
                continue
            return None

    async def _once(self, event: Event, move: Move) -> None:
        reported = read_event(event, self._database.clock.now())
        async with self._database.transaction(cause=event) as tx:
            is_new = await inbox.claim(tx, event)
            if is_new:
                origin = (event.source, event.id)
                await record_signal(tx, event.subject, reported, origin)
            await move.make(tx)
            reach("signals.before_commit")
        reach("signals.after_commit")
        EVENTS_HANDLED.labels(_LABEL, "handled" if is_new else "duplicate").inc()

    async def _reject(self, event: Event, record: Record, move: Move, error: Refusal) -> None:
        """Keep what is wrong with a signal, where its sender can read it."""
        async with self._database.transaction() as tx:
            await intake.add_rejections(tx, [_rejection(event, record, error, tx.now)])
            await move.make(tx)
        EVENTS_HANDLED.labels(_LABEL, "rejected").inc()

    async def _set_aside(self, record: Record, move: Move, why: GiveUp) -> None:
        log.error("dead_letter", topic=record.topic, offset=record.offset, code=why.code)
        async with self._database.transaction() as tx:
            await dead_letters.save(tx, dead_letter_of(record, why))
            await move.make(tx)
        DEAD_LETTERS.labels(record.topic, why.code).inc()


def read_event(event: Event, now: datetime) -> Reported:
    """Return the signal of an event: its type, its value, when it was observed.

    `data.observed_at` says when, else the event's own time; a clock that runs ahead means now.
    Raises `InvalidSignal`.
    """
    if not is_account_id(event.subject):
        raise InvalidSignal(f"subject: {event.subject[:_LONGEST]!r} is not an account id")
    for name in ("id", "source"):
        text = getattr(event, name)
        if len(text) > _LONGEST or not text.isprintable():
            raise InvalidSignal(f"{name}: send up to {_LONGEST} printable signs")
    return Reported(
        type=event.type.removeprefix(PREFIX).removesuffix(".v1")[:_LONGEST],
        at=min(now, _observed_at(event)),
        value=_value(event.data),
    )


def _observed_at(event: Event) -> datetime:
    given = event.data.get("observed_at")
    try:
        at = event.time if given is None else parse_time(given)
    except (MalformedEvent, OverflowError):
        raise InvalidSignal(f"data.observed_at: {given!r} is not RFC 3339 with an offset") from None
    if at < EARLIEST:
        raise InvalidSignal(f"data.observed_at: {at.isoformat()} is before 1970; send a later time")
    return at


def _value(data: Mapping[str, Any]) -> float | str | None:
    value = data.get("value")
    if value is None or (isinstance(value, int | float | str) and not isinstance(value, bool)):
        return value
    raise InvalidSignal("data.value: send a number, the name of a choice, or nothing")


def _rejection(event: Event, record: Record, error: Refusal, now: datetime) -> Rejection:
    return Rejection(
        source=event.source.replace("\x00", "")[:_LONGEST],
        event_id=event.id.replace("\x00", "")[:_LONGEST] or None,
        code=error.code(),
        message=error.detail.replace("\x00", "\ufffd"),
        raw=(record.value or b"")
        .decode("utf-8", "replace")
        .replace("\x00", "\ufffd")[:_LONGEST_RAW],
        received_at=now,
    )
