"""Dead letters on their way out: one that cannot be sent keeps no other from it."""

from shared.bus.dead_letters import copy_dead_letters
from shared.bus.producer import Message, Producer, TooLarge
from shared.db import dead_letters
from shared.db.dead_letters import DeadLetter
from shared.db.transaction import Database
from tests.integration.shared.conftest import Hall, Wire

TOO_LARGE = b"x" * (5 * 1024 * 1024)


async def test_a_dead_letter_that_is_too_large_is_tried_once(
    database: Database, hall: Hall, wire: Wire
) -> None:
    topic = hall.topic.removesuffix(".dlq")
    values = [b"first", TOO_LARGE, b"last"]
    async with database.transaction() as tx:
        for place, value in enumerate(values):
            letter = DeadLetter(topic, 0, place, b"k", value, {}, "malformed", "no JSON")
            await dead_letters.save(tx, letter)
    assert await copy_dead_letters(database, wire.producer) == 2
    assert await copy_dead_letters(database, wire.producer) == 0
    copied = await wire.read(f"{topic}.dlq")
    assert [record.value for record in copied] == [b"first", b"last"]


async def test_each_record_of_a_batch_has_an_answer_of_its_own(hall: Hall, wire: Wire) -> None:
    producer: Producer = wire.producer
    messages = [Message(hall.topic, b"k", value) for value in (b"first", TOO_LARGE, b"last")]
    answers = await producer.send_all(messages)
    assert [type(answer) for answer in answers] == [type(None), TooLarge, type(None)]
    assert [record.value for record in await wire.read(hall.topic)] == [b"first", b"last"]
