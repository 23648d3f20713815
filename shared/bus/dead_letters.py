"""Dead letters on their way out: copied to ``<topic>.dlq``, and put back when a person asks."""

from collections.abc import Awaitable, Callable, Sequence

from shared.bus.producer import Message, Producer, TooLarge
from shared.db import dead_letters
from shared.db.transaction import Database, Row, Transaction
from shared.observability.logging import get_logger

log = get_logger(__name__)

_BATCH = 100


async def copy_dead_letters(database: Database, producer: Producer) -> int:
    """Copy new dead letters to their ``.dlq`` topic, with the reason in headers."""
    return await _send(database, producer, dead_letters.to_copy, _copy, "copied_at")


async def retry_dead_letters(database: Database, producer: Producer) -> int:
    """Put dead letters back on their topic, byte for byte, when their retry was asked for."""
    return await _send(database, producer, dead_letters.to_retry, _original, "retried_at")


async def _send(
    database: Database,
    producer: Producer,
    select: Callable[[Transaction, int], Awaitable[Sequence[Row]]],
    message: Callable[[Row], Message],
    done: str,
) -> int:
    async with database.transaction() as tx:
        rows = await select(tx, _BATCH)
    if not rows:
        return 0
    answers = await producer.send_all([message(row) for row in rows])
    by_row = list(zip(rows, answers, strict=True))
    sent = [row["id"] for row, error in by_row if error is None]
    # It never will be sent. It stays where it is, readable, and is not tried for ever.
    hopeless = [row["id"] for row, error in by_row if isinstance(error, TooLarge)]
    for letter in hopeless:
        log.error("dead_letter_too_large", id=letter)
    async with database.transaction() as tx:
        await dead_letters.mark(tx, done, [*sent, *hopeless], tx.now)
    return len(sent)


def _copy(row: Row) -> Message:
    about = {
        "tenure-dlq-code": row["code"],
        "tenure-dlq-reason": row["reason"],
        "tenure-dlq-topic": row["topic"],
        "tenure-dlq-partition": str(row["partition"]),
        "tenure-dlq-offset": str(row["record_offset"]),
    }
    headers = [*_headers(row), *((name, value.encode()) for name, value in about.items())]
    return Message(f"{row['topic']}.dlq", row["key"], row["value"], headers)


def _original(row: Row) -> Message:
    return Message(row["topic"], row["key"], row["value"], _headers(row))


def _headers(row: Row) -> list[tuple[str, bytes]]:
    return [(name, value.encode("latin-1")) for name, value in dead_letters.headers_of(row).items()]
