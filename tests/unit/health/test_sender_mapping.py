"""Mapping files: what a webhook of another system means."""

import base64
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from services.health.domain.profile.reading import SourceFile
from services.health.domain.signal.mapping import (
    MOST_SIGNALS,
    Condition,
    MappedEvent,
    SenderMapping,
    WebhookUnreadable,
    read_webhook,
)
from services.health.domain.signal.reading_mapping import MappingInvalid, parse_mapping
from services.health.domain.signal.sent import SentEvent, at_path
from services.health.domain.signal.signature import (
    Algorithm,
    BadSignature,
    Encoding,
    Scheme,
    SchemeKind,
    verify,
)
from services.health.usecases.files.files import load_catalogue
from tests.builders.health import NOW

MAPPING: dict[str, Any] = {
    "source": "desk",
    "signature": {"scheme": "token", "header": "X-Desk-Token"},
    "event": {"id": "/meta/id", "type": "kind", "time": "meta.at"},
    "accounts": [{"path": "ticket.account"}, {"path": "ticket.organisation", "system": "desk"}],
    "events": {
        "ticket.rated": {"signal": "csat_answered", "value": "ticket.score"},
        "ticket.opened": [
            {
                "signal": "ticket_opened",
                "when": {"ticket.spam": None, "ticket.replies": {"above": 1, "below": 5}},
            }
        ],
    },
}
BODY: dict[str, Any] = {
    "meta": {"id": 17, "at": "2026-03-02T11:00:00Z"},
    "kind": "ticket.rated",
    "ticket": {"organisation": 991, "score": 4, "replies": 3, "tags": ["a", "b"]},
}


def mapping(**changes: Any) -> SenderMapping:
    file = SourceFile("desk.yml", {**MAPPING, **changes}, lambda _path: None)
    return parse_mapping("desk", file, load_catalogue())


def read_one(mapping: SenderMapping, body: object) -> MappedEvent:
    (event,) = read_webhook(mapping, body, {}, NOW)
    return event


def test_an_event_is_read_by_its_paths() -> None:
    event = read_one(mapping(), BODY)
    assert (event.id, event.type, event.account_id) == ("17", "ticket.rated", None)
    assert event.externals == (("desk", "991"),)
    assert event.at == datetime(2026, 3, 2, 11, tzinfo=UTC)
    (signal,) = event.signals
    assert (signal.type, signal.value, signal.key) == ("csat_answered", 4, "csat_answered:17")


@pytest.mark.parametrize(
    ("sent", "read"), [("P1", "urgent"), (2, "high"), ("normal", "normal"), ("P9", "P9")]
)
def test_words_of_the_sender_are_translated_and_others_taken_as_they_are(
    sent: object, read: str
) -> None:
    words = {"P1": "urgent", "2": "high"}
    opened = {"signal": "ticket_opened", "value": "ticket.score", "values": words}
    body = {**BODY, "ticket": {"score": sent}}
    (signal,) = read_one(mapping(events={"ticket.rated": opened}), body).signals
    assert signal.value == read


def test_a_clock_that_runs_ahead_means_now() -> None:
    body = {**BODY, "meta": {"id": 17, "at": "2026-03-02T12:00:30Z"}}
    assert read_one(mapping(), body).at == NOW


@pytest.mark.parametrize("at", [1772449200, 1772449200000, "1772449200", "1772449200000"])
def test_a_time_may_be_seconds_or_milliseconds_also_as_text(at: object) -> None:
    event = read_one(mapping(), {**BODY, "meta": {"id": 17, "at": at}})
    assert event.at == datetime(2026, 3, 2, 11, tzinfo=UTC)


@pytest.mark.parametrize("account", [4711, "4711"])
def test_an_account_id_may_be_a_number(account: object) -> None:
    ticket = {**BODY["ticket"], "account": account}
    read = mapping(accounts=[{"path": "ticket.account"}])
    assert read_one(read, {**BODY, "ticket": ticket}).account_id == "4711"


@pytest.mark.parametrize("at", [-1, "1969-12-31T23:59:59Z", 1e300, "soon", None, True])
def test_a_time_that_is_none_is_refused(at: object) -> None:
    with pytest.raises(WebhookUnreadable, match="neither seconds, milliseconds nor RFC 3339"):
        read_one(mapping(), {**BODY, "meta": {"id": 17, "at": at}})


@pytest.mark.parametrize(
    ("ticket", "means"),
    [
        ({"replies": 3}, 1),
        ({"replies": 1}, 0),
        ({"replies": 5}, 0),
        ({"replies": "3"}, 0),
        ({"replies": True}, 0),
        ({}, 0),
        ({"replies": 3, "spam": False}, 0),
        ({"replies": 3, "spam": None}, 1),
    ],
)
def test_an_event_means_a_signal_only_when_all_its_conditions_hold(
    ticket: dict[str, Any], means: int
) -> None:
    body = {**BODY, "kind": "ticket.opened", "ticket": ticket}
    assert len(read_one(mapping(), body).signals) == means


def test_one_and_true_are_not_the_same() -> None:
    assert not Condition("a", equals=True).holds(SentEvent({"a": 1}, {}))
    assert Condition("a", equals=True).holds(SentEvent({"a": True}, {}))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("ticket.tags.1", "b"),
        ("/ticket/tags/1", "b"),
        ("ticket.tags.2", None),
        ("ticket.tags.x", None),
        ("kind.0", None),
        ("nothing.at.all", None),
    ],
)
def test_paths_are_dotted_or_json_pointers(path: str, found: object) -> None:
    assert at_path(BODY, path) == found


def test_a_pointer_reaches_names_with_dots_and_slashes() -> None:
    assert at_path({"a.b": {"c/d": {"~": 1}}}, "/a.b/c~1d/~0") == 1


SHOP: dict[str, Any] = {
    "event": {"id": "header:X-Shop-Webhook-Id", "type": "header:X-Shop-Topic"},
    "accounts": [{"path": "header:X-Shop-Domain", "system": "shop"}],
    "events": {"app/uninstalled": {"signal": "subscription_cancelled"}},
}
SHOP_HEADERS = {
    "x-shop-webhook-id": "w-1",
    "x-shop-topic": "app/uninstalled",
    "x-shop-domain": "acme.example",
}


def test_id_type_and_account_may_stand_in_headers() -> None:
    (event,) = read_webhook(mapping(**SHOP), {"id": 5}, SHOP_HEADERS, NOW)
    assert (event.id, event.type) == ("w-1", "app/uninstalled")
    assert event.externals == (("shop", "acme.example"),)
    assert [one.key for one in event.signals] == ["subscription_cancelled:w-1"]
    with pytest.raises(WebhookUnreadable, match=r"event\.id: .* at header:X-Shop-Webhook-Id"):
        read_webhook(mapping(**SHOP), {"id": 5}, {}, NOW)


def test_an_array_is_several_events_each_with_an_id_of_its_own() -> None:
    body = [{**BODY, "meta": {"id": number, "at": 1772449200}} for number in (1, 2)]
    assert [one.id for one in read_webhook(mapping(), body, {}, NOW)] == ["1", "2"]
    listed = mapping(event={**MAPPING["event"], "list": "batch.events"})
    events = read_webhook(listed, {"batch": {"events": body}}, {}, NOW)
    assert [one.id for one in events] == ["1", "2"]
    shared = read_webhook(mapping(**SHOP), [{}, {}], SHOP_HEADERS, NOW)
    assert [one.id for one in shared] == ["w-1/0", "w-1/1"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("text", "the body is not a JSON object"),
        ([BODY, 1], "event 1 is not a JSON object"),
        ([BODY, {"kind": "x"}], "event 1: event.id: there is no text"),
        ([{**BODY, "meta": {"id": 1}}], "event 0: event.time: None at meta.at"),
        ([BODY] * (MOST_SIGNALS + 1), "251 signals in one webhook; send 250 at most"),
    ],
)
def test_an_array_with_something_else_is_refused_with_its_place(body: object, words: str) -> None:
    with pytest.raises(WebhookUnreadable, match=words):
        read_webhook(mapping(), body, {}, NOW)


def test_a_list_that_is_not_there_is_named() -> None:
    listed = mapping(event={**MAPPING["event"], "list": "events"})
    with pytest.raises(WebhookUnreadable, match="there is no array at events"):
        read_webhook(listed, BODY, {}, NOW)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"signature": {}}, "signature.scheme: write a text"),
        (
            {"signature": {"scheme": "md5"}},
            "write one of stripe, standard-webhooks, hmac, basic, token",
        ),
        ({"signature": {"scheme": "stripe", "tolerance_seconds": 0}}, "tolerance_seconds"),
        ({"signature": {"scheme": "hmac"}}, "signature.header: write a text"),
        (
            {"signature": {"scheme": "hmac", "header": "X-Sign", "algorithm": "md5"}},
            "signature.algorithm: write one of sha256, sha1, sha512",
        ),
        (
            {"signature": {"scheme": "hmac", "header": "X-Sign", "tolerance_seconds": 9}},
            "signature.tolerance_seconds: unknown",
        ),
        ({"event": {"id": "id"}}, "event.type: write a text"),
        ({"accounts": ["account"]}, "accounts[0]: write a mapping"),
        ({"events": {"x": {"signal": "mood"}}}, "events.x.signal: 'mood' is none of"),
        ({"events": {"x": {"signal": "merger", "wenn": {}}}}, "events.x.wenn: unknown"),
        ({"events": {"x": {"signal": "merger", "when": {"a": {}}}}}, "write above or below"),
        ({"events": {"x": {"signal": "merger", "when": {"a": [1]}}}}, "when.a: write one value"),
        (
            {"events": {"x": {"signal": "merger", "when": {"a": {"above": 5, "below": 1}}}}},
            "when.a: nothing is above 5 and below 1",
        ),
        ({"events": {"x": {"signal": "csat_answered"}}}, "events.x: csat_answered has a value"),
        ({"events": {"x": {"signal": "merger", "value": "a"}}}, "events.x.value: merger carries"),
        (
            {"events": {"x": {"signal": "merger", "values": {"a": 1}}}},
            "events.x.values: write value: and its path",
        ),
        (
            {"events": {"x": {"signal": "ticket_opened", "value": "p", "values": {"P1": "worst"}}}},
            "events.x.values.P1: value: send one of low, normal, high, urgent",
        ),
        (
            {"events": {"x": {"signal": "ticket_opened", "value": "p", "values": {"P1": True}}}},
            "events.x.values.P1: write a number or a text",
        ),
        ({"events": {}}, "events: write which signals"),
        ({"event": {"id": "$.id", "type": "kind"}}, "event.id: write a path such as"),
        ({"event": {"id": "a[0]", "type": "kind"}}, "event.id: write a path such as"),
        ({"event": {"id": "header:", "type": "kind"}}, "event.id: write a path such as"),
        ({"event": {"id": "header:X Id", "type": "kind"}}, "event.id: write a path such as"),
        (
            {"event": {"list": "header:X", "id": "id", "type": "kind"}},
            "event.list: an array stands in the body",
        ),
        (
            {"signature": {"scheme": "hmac", "header": "X-Sign", "content": "{time}.{body}"}},
            "signature.content: write what is signed",
        ),
        (
            {"signature": {"scheme": "hmac", "header": "X-Sign", "time_header": "X-Time"}},
            "signature.content: write what is signed",
        ),
        (
            {"signature": {"scheme": "hmac", "header": "X-Sign", "content": "{body}{body}"}},
            "signature.content: write what is signed",
        ),
        ({"accounts": []}, "accounts: write where an event names its account"),
        ({"accounts": [{"path": "a", "system": "Desk"}]}, "'Desk' is part of a URL"),
        ({"colour": "red"}, "colour: unknown"),
    ],
)
def test_a_mistake_is_named_with_its_file_its_path_and_what_to_write(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(MappingInvalid) as caught:
        mapping(**changes)
    assert str(caught.value).startswith("desk.yml: ")
    assert words in str(caught.value)


@pytest.mark.parametrize("sent", ["s3cret", "Bearer s3cret", "old"])
def test_a_token_in_force_is_believed(sent: str) -> None:
    scheme = Scheme(SchemeKind.TOKEN, header="X-Desk-Token")
    verify(scheme, ["old", "s3cret"], {"x-desk-token": sent}, b"{}", NOW)


def test_a_secret_may_be_a_whole_header() -> None:
    scheme, secret = Scheme(SchemeKind.TOKEN, header="Authorization"), "Basic dGVudXJlOg=="
    verify(scheme, [secret], {"authorization": secret}, b"{}", NOW)
    with pytest.raises(BadSignature):
        verify(scheme, [secret], {"authorization": "Basic"}, b"{}", NOW)


@pytest.mark.parametrize("sent", ["s3cre", "s3cret2", ""])
def test_a_token_is_compared_whole(sent: str) -> None:
    scheme = Scheme(SchemeKind.TOKEN, header="X-Desk-Token")
    with pytest.raises(BadSignature):
        verify(scheme, ["old", "s3cret"], {"x-desk-token": sent}, b"{}", NOW)


# The first is GitHub's own example, of its page on validating webhook deliveries.
GITHUB = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
HUB = Scheme(SchemeKind.HMAC, header="X-Hub-Signature-256", prefix="sha256=")
SHA1 = Scheme(
    SchemeKind.HMAC, header="X-Hub-Signature-256", prefix="sha1=", algorithm=Algorithm.SHA1
)
BASE64 = Scheme(SchemeKind.HMAC, header="X-Hub-Signature-256", encoding=Encoding.BASE64)
SIGNED, KEY = b"Hello, World!", "It's a Secret to Everybody"


@pytest.mark.parametrize(
    ("scheme", "sent"),
    [
        (HUB, GITHUB),
        (SHA1, "sha1=" + hmac.new(KEY.encode(), SIGNED, "sha1").hexdigest()),
        (BASE64, base64.b64encode(hmac.digest(KEY.encode(), SIGNED, "sha256")).decode()),
    ],
)
def test_an_hmac_over_the_body_is_believed(scheme: Scheme, sent: str) -> None:
    headers = {"x-hub-signature-256": sent}
    verify(scheme, ["another", KEY], headers, SIGNED, NOW)
    for secret, signature, body in (
        (KEY, sent, SIGNED + b" "),
        ("another", sent, SIGNED),
        (KEY, sent[:-2], SIGNED),
        (KEY, "", SIGNED),
        (KEY, "md5=" + sent, SIGNED),
    ):
        with pytest.raises(BadSignature):
            verify(scheme, [secret], {"x-hub-signature-256": signature}, body, NOW)


def test_an_hmac_without_its_prefix_is_not_believed() -> None:
    bare = {"x-hub-signature-256": GITHUB.removeprefix("sha256=")}
    with pytest.raises(BadSignature):
        verify(HUB, [KEY], bare, SIGNED, NOW)


# The first is Slack's own example, of its page on verifying requests.
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
    b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
    b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
    b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
SLACK_KEY = "8f742231b10e8888abcd99yyyzzz85a5"
SLACK = {"scheme": "hmac", "header": "X-Slack-Signature", "prefix": "v0="}
SLACK_TIMED = {**SLACK, "time_header": "X-Slack-Request-Timestamp", "content": "v0:{time}:{body}"}
SLACK_HEADERS = {
    "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    "x-slack-request-timestamp": "1531420618",
}


def test_an_hmac_over_time_and_body_is_believed_as_long_as_it_is_new() -> None:
    scheme, made_at = mapping(signature=SLACK_TIMED).scheme, datetime.fromtimestamp(1531420618, UTC)
    verify(scheme, [SLACK_KEY], SLACK_HEADERS, SLACK_BODY, made_at + timedelta(seconds=300))
    later = {**SLACK_HEADERS, "x-slack-request-timestamp": "1531420619"}
    for headers, now in (
        (SLACK_HEADERS, made_at + timedelta(seconds=301)),
        (later, made_at),
        ({"x-slack-signature": SLACK_HEADERS["x-slack-signature"]}, made_at),
    ):
        with pytest.raises(BadSignature):
            verify(scheme, [SLACK_KEY], headers, SLACK_BODY, now)


def test_the_time_of_an_hmac_may_be_rfc_3339_as_zendesk_writes_it() -> None:
    timed = {"encoding": "base64", "time_header": "X-Time", "content": "{time}{body}"}
    scheme = mapping(signature={"scheme": "hmac", "header": "X-Sign", **timed}).scheme
    at = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    made = base64.b64encode(hmac.digest(KEY.encode(), at.encode() + SIGNED, "sha256")).decode()
    verify(scheme, [KEY], {"x-sign": made, "x-time": at}, SIGNED, NOW)


def test_basic_takes_user_and_password() -> None:
    scheme, sent = Scheme(SchemeKind.BASIC), base64.b64encode(b"desk:s3cret").decode()
    verify(scheme, ["old:old", "desk:s3cret"], {"authorization": f"Basic {sent}"}, b"", NOW)
    for wrong in (f"Bearer {sent}", sent, "Basic", "Basic " + sent[:-2], ""):
        with pytest.raises(BadSignature):
            verify(scheme, ["desk:s3cret"], {"authorization": wrong}, b"", NOW)


def test_a_standard_webhook_is_believed_as_its_own_library_signs_it() -> None:
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    signature = Webhook(secret).sign("msg_1", NOW, '{"a": 1}')
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": f"v1,bm90aGluZw== {signature}",
    }
    scheme = Scheme(SchemeKind.STANDARD_WEBHOOKS)
    verify(scheme, [secret], headers, b'{"a": 1}', NOW)
    for wrong in (
        (headers, b'{"a": 2}', NOW),
        ({**headers, "webhook-id": "msg_2"}, b'{"a": 1}', NOW),
        (headers, b'{"a": 1}', NOW + timedelta(seconds=301)),
        ({}, b'{"a": 1}', NOW),
    ):
        with pytest.raises(BadSignature):
            verify(scheme, [secret], *wrong)
    with pytest.raises(BadSignature):
        verify(scheme, ["not base64 !"], headers, b'{"a": 1}', NOW)
