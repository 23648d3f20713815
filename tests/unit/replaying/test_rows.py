"""Rows of past usage become the events that the ingest door would make of them."""

import math
import re
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from services.health.domain.usage.event import Reception
from tenure.replaying.rows import Reader, RowError

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def reader(file: str = "history.csv") -> Reader:
    return Reader(file, Reception("warehouse", NOW, is_history=True))


def row(**changes: Any) -> dict[str, Any]:
    plain = {"account_id": "acme", "event": "seen", "timestamp": "2026-01-31T10:00:00Z"}
    return {**plain, **changes}


def events(one: dict[str, Any], number: int = 0, file: str = "history.csv") -> list[dict[str, Any]]:
    found = reader(file).values(one, number)
    return [msgspec.json.decode(encoded) for _, encoded in found]


def test_a_row_becomes_an_event_that_is_history() -> None:
    (event,) = events(row(id="7", user_id="u1", properties={"plan": "team"}))
    assert event == {
        "specversion": "1.0",
        "id": "7",
        "source": "warehouse",
        "type": "seen",
        "subject": "acme",
        "time": "2026-01-31T10:00:00Z",
        "data": {"user_id": "u1", "properties": {"plan": "team"}},
        "backfill": True,
    }


def test_the_same_row_of_two_files_counts_twice_and_of_one_file_once() -> None:
    ids = [events(row(), number, file)[0]["id"] for number, file in ((0, "a"), (0, "b"), (1, "a"))]
    assert len(set(ids)) == 3
    assert events(row(), 0, "a")[0]["id"] == ids[0]


@pytest.mark.parametrize(
    ("timestamp", "meant"),
    [
        ("2026-01-31", "2026-01-31T12:00:00Z"),
        (date(2026, 1, 31), "2026-01-31T12:00:00Z"),
        ("20260131", "2026-01-31T12:00:00Z"),
        ("2026-01-31 10:00:00 UTC", "2026-01-31T10:00:00Z"),
        ("2026-01-31t10:00:00z", "2026-01-31T10:00:00Z"),
        ("2026-01-31 10:00", "2026-01-31T10:00:00Z"),
        (datetime(2026, 1, 31, 10), "2026-01-31T10:00:00Z"),  # noqa: DTZ001 - as Parquet has it
        ("2026-01-31T10:00:00+02:00", "2026-01-31T08:00:00Z"),
    ],
)
def test_times_are_read_alike_whatever_file_they_come_from(timestamp: object, meant: str) -> None:
    assert events(row(timestamp=timestamp))[0]["time"] == meant


@pytest.mark.parametrize(
    ("given", "meant"), [(42, "42"), (42.0, "42"), ("42.0", "42"), (math.nan, None), ("", None)]
)
def test_a_column_of_numbers_with_holes_holds_whole_numbers(given: object, meant: object) -> None:
    (event,) = events(row(user_id=given, account_id=7, count=1.0))
    assert (event["data"]["user_id"], event["subject"]) == (meant, "7")


@pytest.mark.parametrize(("count", "made"), [(None, 1), ("3", 3), (2.0, 2), (0, 0)])
def test_a_row_may_stand_for_many_events_with_ids_of_their_own(count: object, made: int) -> None:
    assert len({event["id"] for event in events(row(count=count))}) == made


def test_lines_that_are_events_are_read_as_the_door_reads_them() -> None:
    cloudevent = {
        "specversion": "1.0",
        "id": "1",
        "source": "/x",
        "type": "a",
        "subject": "acme",
    }
    track = {"type": "track", "messageId": "2", "event": "b", "context": {"groupId": "acme"}}
    found = [events(one)[0] for one in (cloudevent, track)]
    assert [(each["source"], each["type"], each["backfill"]) for each in found] == [
        ("/x", "a", True),
        ("warehouse", "b", True),
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"account_id": "no spaces"}, "id of the account"),
        ({"account_id": None}, "account_id is missing"),
        ({"event": 7}, "event 7 is missing or no text"),
        ({"event": "x" * 300}, "longer than 200 characters"),
        ({"user_id": {"a": 1}}, "user_id {'a': 1} is neither a text nor a whole number"),
        ({"user_id": True}, "user_id True is neither a text nor a whole number"),
        ({"timestamp": "yesterday"}, "'yesterday' is not like 2026-01-31T12:00:00Z"),
        ({"timestamp": 1767261600}, "1767261600 is not like 2026-01-31T12:00:00Z"),
        ({"timestamp": "1767261600"}, "'1767261600' is not like 2026-01-31T12:00:00Z"),
        ({"id": "x" * 252, "count": 1000}, "id is longer than 256 characters"),
        ({"timestamp": "2026-03-02T13:00:00Z"}, "is in the future"),
        ({"timestamp": "1999-01-01"}, "over ten years ago"),
        ({"count": "many"}, "'many' is not a whole number"),
        ({"count": -1}, "count -1 is not between 0 and 100000"),
        ({"count": math.inf}, "count inf is not a whole number"),
        ({"properties": "[1]"}, "properties is not a JSON object"),
        ({"properties": {"pad": "x" * 40_000}}, "32 KiB are the most"),
        ({"_unreadable": "{"}, "is no JSON object"),
    ],
)
def test_a_row_that_cannot_be_counted_is_refused_with_what_to_do(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(RowError, match=re.escape(words)):
        events(row(**changes))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"type": "identify", "userId": "u", "messageId": "1"}, "nothing about use"),
        ({"type": "track", "messageId": "1", "event": "seen"}, "names no account"),
        ({"type": 7}, "type"),
    ],
)
def test_a_line_that_is_no_use_of_a_named_account_belongs_to_the_door(
    line: dict[str, Any], words: str
) -> None:
    with pytest.raises(RowError, match=words):
        events(line)


def test_a_row_with_a_column_called_type_is_a_row() -> None:
    assert events(row(type="web"))[0]["type"] == "seen"
