"""PostHog's events, Segment's messages and the account they are of, read by the rules."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.health.domain.usage.account import account_of
from services.health.domain.usage.account_group import AccountGroups
from services.health.domain.usage.event import (
    AliasCall,
    GroupCall,
    IdentifyCall,
    NoUse,
    Reception,
    UsageEvent,
    read_cloudevent,
)
from services.health.domain.usage.members import InvalidEvent
from services.health.domain.usage.posthog import read_capture
from services.health.domain.usage.segment import read_message

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
RECEPTION = Reception("shop", NOW)


def capture(event: str, distinct_id: Any = "u1", **properties: Any) -> dict[str, Any]:
    return {"event": event, "uuid": "c1", "distinct_id": distinct_id, "properties": properties}


@pytest.mark.parametrize(
    ("message", "properties", "account"),
    [
        ({"context": {"groupId": "a"}, "groupId": "b"}, {"groupId": "c"}, "a"),
        ({"context": {"groupId": None}, "groupId": "b"}, {"groupId": "c"}, "b"),
        ({"context": {"groupId": ""}, "groupId": ""}, {"groupId": "c", "account_id": "d"}, "c"),
        ({"context": "none"}, {"account_id": "d", "company_id": "e"}, "d"),
        ({}, {"company_id": 42}, "42"),
        ({}, {"$groups": {"team": "t", "company": "c"}}, "c"),
        ({}, {"$groups": {"account": "a", "company": "c"}}, "c"),
        ({}, {"$groups": {"workspace": "w"}}, "w"),
        ({}, {"$groups": {"workspace": "w", "team": "t"}}, None),
        ({}, {"$groups": "company"}, None),
        ({}, {}, None),
    ],
)
def test_the_first_account_that_is_named_counts(
    message: dict[str, Any], properties: dict[str, Any], account: str | None
) -> None:
    assert account_of(message, properties, AccountGroups()) == account


@pytest.mark.parametrize("given", [True, 1.5, ["a"], {"a": 1}, "a/b", "x" * 129, 10**30])
def test_what_cannot_be_an_account_is_refused(given: Any) -> None:
    with pytest.raises(InvalidEvent) as refused:
        account_of({"groupId": given}, {}, AccountGroups())
    assert refused.value.reason == "invalid_account"


def test_only_the_named_types_of_group_are_accounts_without_the_star() -> None:
    groups = AccountGroups(("workspace",))
    assert account_of({}, {"$groups": {"company": "c", "workspace": "w"}}, groups) == "w"
    assert account_of({}, {"$groups": {"company": "c"}}, groups) is None
    call = capture("$groupidentify", **{"$group_type": "company", "$group_key": "c"})
    assert isinstance(read_capture(call, Reception("shop", NOW, groups=groups)), NoUse)


@pytest.mark.parametrize(
    ("event", "properties", "name"),
    [
        ("report exported", {}, "report exported"),
        ("$pageview", {"$current_url": "https://app.example/reports/123?x=1"}, "Viewed /reports"),
        ("$pageview", {"$pathname": "/"}, "Viewed /"),
        ("$pageview", {"name": "Home", "$pathname": "/x"}, "Viewed Home"),
        ("$pageview", {"$current_url": "http://[bad"}, "Viewed page"),
        ("$screen", {"$screen_name": "Home"}, "Viewed Home"),
        ("$screen", {}, "Viewed screen"),
    ],
)
def test_a_capture_is_usage_by_a_name_that_can_be_counted(
    event: str, properties: dict[str, Any], name: str
) -> None:
    found = read_capture(capture(event, **properties), RECEPTION)
    assert isinstance(found, UsageEvent)
    assert (found.name, found.user_id, found.id) == (name, "u1", "c1")


def test_a_user_whom_the_sdk_made_up_is_nobody() -> None:
    found = read_capture(capture("seen", **{"$process_person_profile": False}), RECEPTION)
    assert isinstance(found, UsageEvent)
    assert found.user_id is None


def test_captures_about_people_and_groups_are_calls() -> None:
    identify = capture("$identify", **{"$groups": {"company": "c"}, "$anon_distinct_id": "v"})
    group = capture(
        "$groupidentify", **{"$group_type": "company", "$group_key": 7, "$group_set": {"n": 1}}
    )
    assert read_capture(identify, RECEPTION) == IdentifyCall("c1", "shop", "u1", "c", "v")
    assert read_capture(group, RECEPTION) == GroupCall("c1", "shop", "7", None, {"n": 1})
    alias = read_capture(capture("$create_alias", alias="v"), RECEPTION)
    assert alias == AliasCall("c1", "shop", "v", "u1")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ([], "not_an_object"),
        ({}, "missing_id"),
        ({"uuid": "1"}, "missing_event"),
        ({"uuid": "1", "event": ["a"]}, "missing_event"),
        ({"uuid": True, "event": "a"}, "missing_id"),
        ({"uuid": "1", "event": "$identify"}, "missing_user"),
        ({"uuid": "1", "event": "$create_alias", "distinct_id": "u"}, "missing_user"),
        ({"uuid": "1", "event": "$groupidentify", "properties": []}, "missing_$group_type"),
    ],
)
def test_a_capture_that_cannot_be_read_says_why(message: Any, code: str) -> None:
    with pytest.raises(InvalidEvent) as refused:
        read_capture(message, RECEPTION)
    assert refused.value.reason == code


def test_numbers_are_ids() -> None:
    message = {"type": "track", "messageId": 9, "event": "seen", "userId": 42, "groupId": 7}
    found = read_message(message, RECEPTION)
    assert isinstance(found, UsageEvent)
    assert (found.id, found.user_id, found.account_id) == ("9", "42", "7")


def test_who_was_anonymous_before_they_were_named_is_an_alias() -> None:
    message = {"type": "identify", "messageId": "1", "userId": "u", "anonymousId": "v"}
    assert read_message(message, RECEPTION) == IdentifyCall("1", "shop", "u", None, "v")


@pytest.mark.parametrize(
    ("timestamp", "sent_at", "time"),
    [
        # The sender's clock is an hour fast: what it did ten minutes before sending was then.
        ("2026-03-02T12:50:00Z", NOW + timedelta(hours=1), NOW - timedelta(minutes=10)),
        ("2026-03-02T11:00:00Z", None, NOW - timedelta(hours=1)),
        ("2026-03-03T11:00:00Z", None, NOW + timedelta(hours=23)),
        ("2026-03-04T12:00:00Z", None, NOW),  # too far ahead
        (None, None, NOW),
    ],
)
def test_time_is_corrected_by_the_clock_of_the_sender(
    timestamp: str | None, sent_at: datetime | None, time: datetime
) -> None:
    assert Reception("shop", NOW, sent_at).event_time(timestamp) == time


@pytest.mark.parametrize(("days", "is_backfill"), [(1, False), (6, False), (8, True), (400, True)])
def test_what_is_older_than_ids_are_remembered_is_history(days: int, is_backfill: bool) -> None:  # noqa: FBT001 - a case
    time = (NOW - timedelta(days=days)).isoformat()
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "seen", "subject": "acme"}
    found = read_cloudevent({**event, "time": time}, RECEPTION)
    assert found.is_backfill is is_backfill
    assert found.to_cloudevent().get("backfill", False) is is_backfill


def test_history_that_says_so_stays_history() -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "seen", "subject": "acme"}
    assert read_cloudevent({**event, "backfill": True}, RECEPTION).is_backfill
    migration = Reception("shop", NOW, is_history=True)
    found = read_capture(capture("seen"), migration)
    assert isinstance(found, UsageEvent)
    assert found.is_backfill


@pytest.mark.parametrize("timestamp", [0, 1, 20260302, 1772449200000, 1.5, False, [], {}, "now"])
def test_only_a_text_is_a_time(timestamp: Any) -> None:
    message = {"type": "track", "messageId": "1", "event": "seen", "timestamp": timestamp}
    for read, sent in (
        (read_message, message),
        (read_capture, {**capture("seen"), "timestamp": timestamp}),
    ):
        with pytest.raises(InvalidEvent) as refused:
            read(sent, RECEPTION)
        assert refused.value.reason == "invalid_timestamp"


@pytest.mark.parametrize("given", [" ", False, 1.5, [], ["u"], {}, 2**63])
def test_what_is_no_user_is_refused_and_not_dropped(given: Any) -> None:
    for kind in ("track", "page", "identify"):
        message = {"type": kind, "messageId": "1", "event": "seen", "userId": given}
        with pytest.raises(InvalidEvent) as refused:
            read_message({**message, "anonymousId": "v"}, RECEPTION)
        assert refused.value.reason == "invalid_userId"
    with pytest.raises(InvalidEvent) as refused:
        read_capture(capture("seen", distinct_id=given), RECEPTION)
    assert refused.value.reason == "invalid_distinct_id"


@pytest.mark.parametrize("given", ["a", 0, False, ["a"]])
def test_properties_and_traits_that_are_no_object_are_refused(given: Any) -> None:
    shared = {"messageId": "1", "userId": "u", "groupId": "a", "event": "seen"}
    for kind, name in (("track", "properties"), ("identify", "traits"), ("group", "traits")):
        with pytest.raises(InvalidEvent) as refused:
            read_message({**shared, "type": kind, name: given}, RECEPTION)
        assert refused.value.reason == f"invalid_{name}"


@pytest.mark.parametrize("given", [None, "", []])
def test_an_empty_array_of_php_is_no_properties(given: Any) -> None:
    message = {"type": "track", "messageId": "1", "event": "seen", "properties": given}
    found = read_message({**message, "userId": "", "timestamp": ""}, RECEPTION)
    assert isinstance(found, UsageEvent)
    assert (found.properties, found.user_id, found.time) == ({}, None, NOW)


@pytest.mark.parametrize(
    ("kind", "shown"), [(None, "null"), (True, "true"), ({}, "this object"), ([1], "this array")]
)
def test_a_refusal_speaks_of_json(kind: Any, shown: str) -> None:
    with pytest.raises(InvalidEvent, match=f"^type {shown} is not one of"):
        read_message({"type": kind}, RECEPTION)
