"""The fast road of plain messages leads to the same events as the ordinary one."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.health.api.ingest.plain import take_plain
from services.health.api.ingest.sorting import sort
from services.health.domain.usage.event import LARGEST_EVENT, Reception, UsageEvent
from services.health.domain.usage.members import InvalidEvent
from services.health.domain.usage.segment import read_message
from services.health.usecases.usage.intake import values_of

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SENT = NOW - timedelta(minutes=5)


def track(**changes: Any) -> dict[str, Any]:
    plain = {
        "type": "track",
        "messageId": "m1",
        "event": "report.exported",
        "userId": "u1",
        "context": {"groupId": "acme"},
        "timestamp": "2026-03-02T11:54:00Z",
        "properties": {"format": "pdf"},
    }
    return {name: value for name, value in {**plain, **changes}.items() if value is not ...}


def raw(message: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(message).encode())


def by_the_ordinary_road(message: object) -> tuple[str, Any] | None:
    """Return the account and the CloudEvent, or None for what is refused, or has no account."""
    try:
        found = read_message(json.loads(json.dumps(message)), Reception("shop", NOW, SENT))
    except InvalidEvent:
        return None
    if not isinstance(found, UsageEvent) or found.account_id is None:
        return None
    ((account_id, encoded),) = values_of([found])
    return account_id, as_read(encoded)


def as_read(encoded: bytes) -> dict[str, Any]:
    event: dict[str, Any] = msgspec.json.decode(encoded)
    return {**event, "time": datetime.fromisoformat(event["time"])}


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)
times = st.datetimes(datetime(2026, 2, 20), datetime(2026, 3, 8)).map(  # noqa: DTZ001 - a zone follows
    lambda time: f"{time.isoformat()}Z"
)
messages = st.builds(
    track,
    type=st.sampled_from(["track", "page", "Track", ..., 7, None]) | st.just("track"),
    messageId=st.text(max_size=8) | st.integers() | st.just("x" * 300) | st.just("m"),
    event=st.text(max_size=8) | st.just("seen") | st.just(" seen") | st.just("x" * 250) | anything,
    userId=st.text(max_size=8) | st.integers(0, 9) | st.just(...) | anything,
    context=st.just({"groupId": "acme"}) | st.just({"groupId": ""}) | anything,
    groupId=st.just(...) | st.sampled_from(["acme", "", "a/b", 7, None]),
    timestamp=times | st.just(...) | st.none() | st.just("2026-03-02T11:54:00") | anything,
    originalTimestamp=times | st.just(...) | anything,
    properties=st.dictionaries(
        st.sampled_from(["groupId", "account_id", "company_id", "$groups", "a"]), anything
    )
    | st.just(...)
    | anything,
)


@settings(max_examples=600, deadline=None)
@given(messages)
@example(track(properties={"a": "\0"}))
@example(track(properties={"groupId": 7}, context=...))
@example(track(properties={"account_id": "b"}, context={"groupId": None}))
@example(track(timestamp="2026-02-01T00:00:00Z"))
@example(track(timestamp="2026-03-01T23:59:59.9999996Z"))
@example(track(timestamp="2026-03-02t11:54:00.1234564999z"))
@example(track(timestamp="2026-03-02T11:54:60Z"))
@example(track(timestamp="9999-12-31T23:59:59.9999999Z"))
@example(track(messageId=" "))
@example(track(timestamp=..., originalTimestamp="2026-03-02T11:00:00Z"))
def test_both_roads_lead_to_the_same_event(message: dict[str, Any]) -> None:
    values, others = take_plain([raw(message)], Reception("shop", NOW, SENT))
    assert len(values) + len(others) == 1
    for account_id, encoded in values:
        assert (account_id, as_read(encoded)) == by_the_ordinary_road(message)


def test_a_plain_message_takes_the_fast_road() -> None:
    values, others = take_plain([raw(track())], Reception("shop", NOW, SENT))
    assert ([account for account, _ in values], list(others)) == (["acme"], [])


def test_each_event_is_sorted_on_its_own_and_none_is_lost() -> None:
    batch = [
        track(messageId="1"),
        track(messageId="2", event=""),
        track(messageId="3", context=...),
        track(messageId="4", type="page", name="Home"),
        track(messageId="5", properties={"pad": "x" * 40_000}),
        track(messageId="6"),
    ]
    received, refused = sort(
        [raw(each) for each in batch], Reception("shop", NOW, SENT), read_message, may_be_plain=True
    )
    assert len(received.plain) == 2
    assert [call.id for call in received.calls] == ["3", "4"]
    assert [(place, error.reason) for place, _, error in refused] == [
        (1, "missing_event"),
        (4, "event_too_large"),
    ]


LONG_WRITTEN_OUT = b'{"a":[%s1]}' % (b"1e15," * 3000)


def padded(size: int, **changes: Any) -> msgspec.Raw:
    room = size - len(raw(track(**changes, properties={"pad": ""})))
    return raw(track(**changes, properties={"pad": "x" * room}))


@pytest.mark.parametrize(
    "message",
    [
        padded(LARGEST_EVENT),
        padded(LARGEST_EVENT, type="page", name="Home"),
        msgspec.Raw(
            bytes(raw(track(properties=7))).replace(b"7", b'{"a":[%s1]}' % (b"1e15," * 3000))
        ),
    ],
)
def test_what_would_be_too_large_as_it_travels_is_refused_at_the_door(message: msgspec.Raw) -> None:
    """Where it is counted it would be refused, after it was taken in."""
    assert len(message) <= LARGEST_EVENT
    received, refused = sort(
        [message], Reception("shop" * 60, NOW, SENT), read_message, may_be_plain=True
    )
    assert [error.reason for _, _, error in refused] == ["event_too_large"]
    assert (received.plain, received.calls, len(received.rejections)) == ([], [], 1)


def test_an_odd_text_sends_its_whole_batch_down_the_ordinary_road() -> None:
    batch = [raw(track()), raw(track(event="a\x7fb"))]
    values, others = take_plain(batch, Reception("shop", NOW, SENT))
    assert (values, list(others)) == ([], [0, 1])


@settings(max_examples=300, deadline=None)
@given(st.lists(messages | st.just(track()), max_size=4))
@example([track(), track(timestamp="2026-02-01T00:00:00Z"), track(messageId="2")])
@example([track(), track(type="page")])
def test_a_body_that_is_decoded_at_once_holds_what_its_messages_do(
    batch: list[dict[str, Any]],
) -> None:
    raws = [raw(each) for each in batch]
    body = b'{"sentAt":null,"batch":[' + b",".join(bytes(each) for each in raws) + b"]}"
    reception = Reception("shop", NOW, SENT)
    assert take_plain(raws, reception, body) == take_plain(raws, reception)
