"""Domain events over a real broker: heard exactly once, in order, and nothing blocks."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from shared.bus import dispatcher
from shared.bus.batches import Batch
from shared.bus.dispatcher import Dispatcher
from shared.bus.retry import Backoff
from shared.bus.topics import Cluster
from shared.contracts.event import Event, Fact, headers_of
from shared.contracts.onboarding import AccountChanged, OwnerRemoved
from shared.contracts.registry import fact_of
from shared.db import dead_letters, inbox
from shared.db.transaction import Database, Transaction
from shared.kernel.errors import Conflict
from tests.integration.shared.conftest import (
    Ear,
    Hall,
    Wire,
    an_account,
    changed,
    event_of,
    eventually,
)


class NotToday(Conflict):
    """Not today."""


def events(account_id: str, *names: str) -> list[Event]:
    return [event_of(changed(account_id, name)) for name in names]


async def test_events_of_an_account_are_heard_once_and_in_order(hall: Hall, wire: Wire) -> None:
    names = [f"n{number}" for number in range(20)]
    said = events(an_account(), *names)
    async with hall.listening(Ear()):
        await wire.say(hall.topic, *said, *said[:5])
        await hall.wait_for_positions(25)
    assert await hall.heard() == names


async def test_a_listener_that_fails_twice_has_its_effect_once(hall: Hall, wire: Wire) -> None:
    ear = Ear(failures=[RuntimeError("first"), RuntimeError("second")])
    async with hall.listening(ear):
        await wire.say(hall.topic, *events(an_account(), "a", "b"))
        await hall.wait_for_positions(2)
    assert await hall.heard() == ["a", "b"]
    assert ear.calls == 4
    assert await hall.dead_letters() == []


async def test_a_named_refusal_is_set_aside_at_once_and_the_next_event_is_heard(
    hall: Hall, wire: Wire
) -> None:
    ear = Ear(failures=[NotToday()])
    refused, fine = events(an_account(), "refused", "fine")
    async with hall.listening(ear):
        await wire.say(hall.topic, refused, fine)
        await hall.wait_for_positions(2)
    assert await hall.heard() == ["fine"]
    (letter,) = await hall.dead_letters()
    assert (letter["code"], letter["reason"]) == ("not_today", "Not today.")
    assert letter["value"] == refused.to_json()
    assert ear.calls == 2


async def test_a_defect_is_set_aside_after_a_few_tries(hall: Hall, wire: Wire) -> None:
    ear = Ear(failures=[RuntimeError(f"try {number}") for number in range(3)])
    async with hall.listening(ear, backoff=Backoff(first=0.01, attempts=3)):
        await wire.say(hall.topic, *events(an_account(), "poison", "fine"))
        await hall.wait_for_positions(2)
    assert await hall.heard() == ["fine"]
    (letter,) = await hall.dead_letters()
    assert (letter["code"], letter["reason"]) == ("defect", "RuntimeError: try 2")


async def test_an_unknown_type_is_passed_over(hall: Hall, wire: Wire) -> None:
    (known,) = events(an_account(), "known")
    unknown = replace(known, id="u-1", type="io.tenure.onboarding.invented_tomorrow.v1")
    unheard = event_of(OwnerRemoved(account_id=known.subject, role="csm", email="a@example.com"))
    async with hall.listening(Ear()):
        await wire.say(hall.topic, unknown, unheard, known, unknown)
        await hall.wait_for_positions(4)
    assert await hall.heard() == ["known"]
    assert await hall.dead_letters() == []


async def test_what_nobody_listens_to_is_told_by_its_header_or_else_by_its_body(
    hall: Hall, wire: Wire
) -> None:
    (known,) = events(an_account(), "known")
    unheard = event_of(OwnerRemoved(account_id=known.subject, role="csm", email="a@example.com"))
    async with hall.listening(Ear()):
        named = headers_of(unheard.id, unheard.type, None)
        await wire.put(hall.topic, b"not for us to read", key="a", headers=named)
        await wire.put(hall.topic, unheard.to_json(), key="b")
        await wire.say(hall.topic, known)
        await hall.wait_for_positions(3)
    assert await hall.heard() == ["known"]
    assert await hall.dead_letters() == []


ODD = {"odd": "\xff\x00\\0", "n\x00l": ""}
_KNOWN = (
    b'{"specversion":"1.0","id":"2","source":"/tenure/onboarding","subject":"z",'
    b'"type":"io.tenure.onboarding.account_changed.v1",%b,'
    b'"data":{"account_id":"z","name":"Z","segment":"smb","time_zone":"UTC"}}'
)
POISON = {
    "a time before the calendar": _KNOWN % b'"time":"0001-01-01T00:00:00+23:00"',
    "a time after the calendar": _KNOWN % b'"time":"9999-12-31T23:59:59-23:00"',
    "a trace that is no text": _KNOWN % b'"time":"2026-03-02T12:00:00Z","traceparent":123',
    "a cause that is no text": _KNOWN % b'"time":"2026-03-02T12:00:00Z","correlationid":{}',
    "not text": b"\x00\xff\xfe",
    "not JSON": b"{",
    "empty": b"",
    "no CloudEvent": b'{"hello": "world"}',
    "a list": b"[1, 2]",
    "a broken contract": b'{"specversion":"1.0","id":"2","source":"/tenure/onboarding",'
    b'"type":"io.tenure.onboarding.account_changed.v1","subject":"z",'
    b'"time":"2026-03-02T12:00:00Z","data":{"name": 7}}',
}


async def test_poison_is_quarantined_within_five_seconds_as_it_was(hall: Hall, wire: Wire) -> None:
    headers = [(name, text.encode("latin-1")) for name, text in ODD.items()]
    async with hall.listening(Ear()):
        for value in POISON.values():
            await wire.put(hall.topic, value, headers=headers)
        await wire.say(hall.topic, *events(an_account(), "fine"))
        started = time.monotonic()
        await hall.wait_for_positions(len(POISON) + 1)
        assert time.monotonic() - started < 5
    assert await hall.heard() == ["fine"]
    letters = await hall.dead_letters()
    assert sorted(letter["value"] for letter in letters) == sorted(POISON.values())
    assert {letter["code"] for letter in letters} == {"malformed_event"}
    assert all(dead_letters.headers_of(letter) == ODD for letter in letters)


async def test_a_record_that_we_fail_to_read_is_set_aside_too(
    hall: Hall, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = events(an_account(), "odd", "fine")

    def stumble(event: Event) -> Fact | None:
        if event.id == first.id:
            raise RuntimeError("a mistake of ours")
        return fact_of(event)

    monkeypatch.setattr(dispatcher, "fact_of", stumble)
    async with hall.listening(Ear()):
        await wire.say(hall.topic, first, second)
        await hall.wait_for_positions(2)
    assert await hall.heard() == ["fine"]
    (letter,) = await hall.dead_letters()
    assert (letter["code"], letter["reason"]) == ("defect", "RuntimeError: a mistake of ours")


async def test_a_listener_that_does_not_end_is_no_outage(
    hall: Hall, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database answers: waiting for it would keep all that comes after from being heard."""

    class Sleeper(Ear):
        async def hear(self, tx: Transaction, fact: AccountChanged) -> None:
            if fact.name == "asleep":
                await asyncio.Event().wait()
            await super().hear(tx, fact)

    monkeypatch.setattr(dispatcher, "_TIME_LIMIT", 0.1)
    async with hall.listening(Sleeper(), backoff=Backoff(first=0.01, attempts=2)):
        await wire.say(hall.topic, *events(an_account(), "asleep", "fine"))
        await hall.wait_for_positions(2)
    assert await hall.heard() == ["fine"]
    (letter,) = await hall.dead_letters()
    assert letter["reason"] == "TooSlow: it took longer than 0.1 s, while the database answered"


async def test_a_listener_waits_for_a_database_that_does_not_answer(
    hall: Hall, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    ear = Ear()
    monkeypatch.setattr(dispatcher, "_TIME_LIMIT", 0.2)
    monkeypatch.setattr(dispatcher, "_ANSWER_LIMIT", 0.0)
    async with hall.listening(ear, backoff=Backoff(first=0.01, attempts=1)):
        async with hall.database.transaction() as tx:
            await tx.execute("LOCK TABLE heard")
            await wire.say(hall.topic, *events(an_account(), "late"))
            await eventually(lambda: _was_called(ear, 2), what="tried twice")
        await hall.wait_for("late")
    assert await hall.dead_letters() == []


async def _was_called(ear: Ear, times: int) -> bool:
    return ear.calls >= times


async def test_a_dead_letter_is_copied_with_its_reason_and_heard_when_it_is_retried(
    hall: Hall, wire: Wire, database: Database, relaying: Any
) -> None:
    ear = Ear(failures=[NotToday()])
    account = an_account()
    async with hall.listening(ear):
        await wire.say(hall.topic, *events(account, "refused"))
        await hall.wait_for_positions(1)
        await relaying(database)
        await eventually(lambda: _has_records(wire, f"{hall.topic}.dlq", 1), what="a copy")
        async with database.transaction() as tx:
            assert await dead_letters.request_retry(tx) == 1
        await hall.wait_for("refused")
    (copy,) = await wire.read(f"{hall.topic}.dlq")
    first, second = await wire.read(hall.topic)
    about = {name: value.decode() for name, value in copy.headers}
    assert (copy.key, copy.value) == (first.key, first.value) == (second.key, second.value)
    assert dict(first.headers) == dict(second.headers)
    assert dict(first.headers).items() <= dict(copy.headers).items()
    assert about["tenure-dlq-code"] == "not_today"
    assert (about["tenure-dlq-topic"], about["tenure-dlq-offset"]) == (hall.topic, "0")
    (letter,) = await hall.dead_letters()
    assert letter["copied_at"] is not None


async def _has_records(wire: Wire, topic: str, count: int) -> bool:
    return len(await wire.read(topic)) == count


async def test_a_restart_continues_from_the_position_in_postgres(hall: Hall, wire: Wire) -> None:
    ear = Ear()
    async with hall.listening(ear):
        await wire.say(hall.topic, *events(an_account(), "a", "b"))
        await hall.wait_for_positions(2)
    await wire.say(hall.topic, *events(an_account(), "c"))
    async with hall.listening(ear):
        await hall.wait_for("a", "b", "c")
        await wire.say(hall.topic, *events(an_account(), "d"))
        await hall.wait_for("a", "b", "c", "d")
    assert ear.calls == 4


async def test_a_consumer_whose_position_was_moved_gives_way_and_goes_on_from_there(
    hall: Hall, wire: Wire, database: Database
) -> None:
    account = an_account()
    async with hall.listening(Ear()):
        await wire.say(hall.topic, *events(account, "a"))
        await hall.wait_for("a")
        (mine,) = [number for number, at in (await hall.positions()).items() if at == 1]
        async with database.transaction() as tx:
            await inbox.advance(tx, hall.group, hall.topic, {mine: (1, 3)})
        await wire.say(hall.topic, *events(account, "theirs", "theirs too", "mine"))
        await hall.wait_for("a", "mine")
        assert (await hall.positions())[mine] == 4


async def test_of_two_that_believe_they_own_a_record_one_has_the_effect(
    hall: Hall, wire: Wire, database: Database
) -> None:
    await wire.say(hall.topic, *events(an_account(), "a"))
    (record,) = await wire.read(hall.topic)
    async with database.transaction() as tx:
        await inbox.start_position(
            tx, hall.group, hall.topic, {record.partition: 0}, log_id="this one"
        )
    batch = Batch(hall.topic, record.partition, 0, [record])
    ears = [Ear(), Ear()]
    ends = await asyncio.gather(
        *(Dispatcher(database, ear.listeners).handle([batch], hall.group) for ear in ears),
        return_exceptions=True,
    )
    assert sorted(type(end).__name__ for end in ends) == ["Fenced", "NoneType"]
    assert await hall.heard() == ["a"]
    assert (await hall.positions()) == {record.partition: 1}


@pytest.mark.parametrize(
    ("next_offset", "log_id"), [(1, "the one before"), (1000, None)], ids=["other log", "past end"]
)
async def test_a_log_that_is_new_is_read_from_its_beginning_and_the_inbox_protects(
    hall: Hall, wire: Wire, database: Database, next_offset: int, log_id: str | None
) -> None:
    old, new = events(an_account(), "old", "new")
    await wire.say(hall.topic, old, new)
    first, _ = await wire.read(hall.topic)
    cluster = Cluster(wire.bootstrap)
    async with database.transaction() as tx:
        await inbox.start_position(tx, hall.group, hall.topic, {first.partition: 0}, log_id="-")
    await Dispatcher(database, Ear().listeners).handle(
        [Batch(hall.topic, first.partition, 0, [first])], hall.group
    )
    async with database.transaction() as tx:
        at = {first.partition: next_offset}
        log_id = log_id or await cluster.id()
        await inbox.start_position(tx, hall.group, hall.topic, at, log_id=log_id)
    await cluster.close()
    ear = Ear()
    async with hall.listening(ear):
        await hall.wait_for_positions(2)
    assert await hall.heard() == ["old", "new"]
    assert ear.calls == 1


async def test_two_members_share_the_partitions_and_hear_everything_once(
    hall: Hall, wire: Wire
) -> None:
    ears = [Ear(), Ear()]
    names = [f"n{number}" for number in range(30)]
    said = [event_of(changed(an_account(), name)) for name in names]
    async with (
        hall.listening(ears[0], member="one"),
        hall.listening(ears[1], member="two"),
    ):
        await wire.say(hall.topic, *said)
        await hall.wait_for(*names, within=30)
    assert sum(ear.calls for ear in ears) == 30


async def test_both_modes_of_cloudevents_are_understood(hall: Hall, wire: Wire) -> None:
    structured, binary = events(an_account(), "structured", "binary")
    attributes = {name: v for name, v in binary.to_dict().items() if isinstance(v, str)}
    headers = [(f"ce_{name}", value.encode()) for name, value in attributes.items()]
    data = msgspec.json.encode(binary.to_dict()["data"])
    async with hall.listening(Ear()):
        await wire.say(hall.topic, structured)
        await wire.put(hall.topic, data, key=binary.subject, headers=headers)
        await hall.wait_for("structured", "binary")
