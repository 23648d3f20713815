"""Every path of every SDK, with the shapes that they really send."""

import base64
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.conftest import NOON, OpenClient, OpenDatabase
from tests.integration.health.test_ingest import backend, track

__all__ = ["backend"]

ONE = {
    "track": {"event": "report.exported"},
    "page": {"name": "Home"},
    "screen": {"name": "Home"},
    "identify": {"traits": {"plan": "team"}},
    "group": {"groupId": "acme", "traits": {"name": "Acme"}},
    "alias": {"previousId": "anonymous"},
}


def message(kind: str, **changes: Any) -> dict[str, Any]:
    """What an SDK posts to the path of one kind: without a type."""
    shared = {"messageId": f"m-{kind}", "userId": "u1", "context": {"groupId": "acme"}}
    return {**shared, **ONE[kind], **changes}


def capture(event: str, uuid: str = "c1", **properties: Any) -> dict[str, Any]:
    return {
        "event": event,
        "uuid": uuid,
        "distinct_id": "u1",
        "timestamp": "2026-03-02T11:00:00+00:00",
        "properties": {"$lib": "posthog-python", **properties},
    }


def key_of(client: httpx.AsyncClient) -> str:
    token = client.headers["Authorization"].removeprefix("Basic ")
    return base64.b64decode(token).decode().rstrip(":")


def with_key_in_body(client: httpx.AsyncClient) -> str:
    """Return the write key, and no longer send it in a header."""
    key = key_of(client)
    del client.headers["Authorization"]
    return key


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("kind", ONE)
async def test_each_kind_has_a_path_and_a_letter(
    backend: httpx.AsyncClient, kind: str, slash: str
) -> None:
    for path in (kind, kind[0]):
        answer = await backend.post(f"/v1/{path}{slash}", json=message(kind))
        assert (answer.status_code, answer.json()["accepted"]) == (200, 1), answer.text


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/b", "/v1/import", "/v1/batch/", "/v1/b/"])
async def test_a_batch_holds_every_kind(backend: httpx.AsyncClient, path: str) -> None:
    batch = [{"type": kind, **message(kind)} for kind in ONE]
    body = json.dumps({"batch": batch, "sentAt": NOON.isoformat()}).encode()
    answer = await backend.post(path, content=body, headers={"content-type": "text/plain"})
    assert answer.json() == {"success": True, "accepted": len(ONE), "rejected": 0}


async def test_the_write_key_may_be_in_the_body(backend: httpx.AsyncClient) -> None:
    key = with_key_in_body(backend)
    batch = await backend.post("/v1/batch", json={"batch": [track("1")], "writeKey": key})
    one = await backend.post("/v1/t", json={**message("track"), "writeKey": key})
    assert [batch.status_code, one.status_code] == [200, 200]


@pytest.mark.parametrize(
    "path", ["/batch", "/batch/", "/capture", "/capture/", "/e", "/e/", "/i/v0/e", "/i/v0/e/"]
)
async def test_posthog_sends_batches_arrays_and_single_events(
    backend: httpx.AsyncClient, path: str
) -> None:
    key = with_key_in_body(backend)
    event = capture("report exported", **{"$groups": {"company": "acme"}})
    batch = await backend.post(path, json={"api_key": key, "batch": [event], "sent_at": "x"})
    single = await backend.post(path, json={**event, "api_key": key})
    in_properties = {**event, "properties": {**event["properties"], "token": key}}
    array = await backend.post(path, json=[in_properties])
    for answer in (batch, single, array):
        assert answer.json() == {"success": True, "accepted": 1, "rejected": 0}, answer.text


async def test_posthog_hears_of_each_event_what_became_of_it(backend: httpx.AsyncClient) -> None:
    good = {**capture("seen", **{"$groups": {"company": "acme"}}), "uuid": "c-good"}
    unnamed = {**good, "uuid": "c-bad", "event": ""}
    batch = {"created_at": "2026-03-02T12:00:00Z", "batch": [good, unnamed]}
    answer = await backend.post("/i/v1/analytics/events", json=batch)
    results = answer.json()["results"]
    assert (answer.status_code, results[good["uuid"]]) == (200, {"result": "ok"})
    assert results[unnamed["uuid"]]["result"] == "drop"
    assert "event" in results[unnamed["uuid"]]["details"]
    stranger = await backend.post("/i/v1/analytics/events", json=batch, auth=("nobody", ""))
    assert stranger.status_code == 401


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
async def test_what_posthog_packs_is_unpacked(backend: httpx.AsyncClient, pack: Any) -> None:
    key = with_key_in_body(backend)
    event = capture("seen", **{"$groups": {"company": "acme"}})
    body = pack(json.dumps({"api_key": key, "batch": [event]}).encode())
    headers = {"content-encoding": "deflate"} if pack is zlib.compress else {}
    answer = await backend.post("/batch/?compression=gzip-js", content=body, headers=headers)
    assert answer.json()["accepted"] == 1


async def test_a_form_in_base64_is_read_as_the_browser_sends_it(
    backend: httpx.AsyncClient,
) -> None:
    event = capture("seen", **{"$groups": {"company": "acme"}}, token=with_key_in_body(backend))
    form = {"data": base64.b64encode(json.dumps(event).encode()).decode(), "compression": "base64"}
    assert (await backend.post("/e/", data=form)).json()["accepted"] == 1
    broken = await backend.post("/e/", content=b"data=%%%")
    assert (broken.status_code, broken.json()["code"]) == (400, "invalid_json")


async def test_a_form_may_hold_json_or_have_its_data_last(backend: httpx.AsyncClient) -> None:
    event = capture("seen", **{"$groups": {"company": "acme"}}, token=with_key_in_body(backend))
    plain = await backend.post("/capture/", data={"data": json.dumps(event)})
    packed = base64.b64encode(json.dumps(event).encode()).decode()
    last = await backend.post("/e/", data={"compression": "base64", "data": packed})
    for answer in (plain, last):
        assert answer.json() == {"success": True, "accepted": 1, "rejected": 0}, answer.text


async def test_an_event_without_a_uuid_is_told_apart_by_its_time_and_content(
    backend: httpx.AsyncClient, open_client: OpenClient
) -> None:
    def waiting(second: int, **changes: Any) -> dict[str, Any]:
        made = capture("seen", **changes)
        del made["uuid"]
        return {**made, "timestamp": f"2026-03-02T11:00:0{second}.123456+00:00"}

    body = {"api_key": with_key_in_body(backend), "batch": [waiting(1), waiting(2)]}
    for sent_at in ("2026-03-02T11:00:03Z", "2026-03-02T11:00:09Z"):
        answer = await backend.post("/batch/", json={**body, "sent_at": sent_at})
        assert answer.json() == {"success": True, "accepted": 2, "rejected": 0}
    reader = await open_client("health", scopes=["health:read"])
    assert len((await reader.get("/api/v1/unattributed")).json()["data"]) == 2


async def test_events_alike_without_a_uuid_each_count_and_sent_again_still_once(
    backend: httpx.AsyncClient, open_client: OpenClient
) -> None:
    """As posthog-node 2 sends what a user does several times within a millisecond."""
    clicked = {
        "distinct_id": "u1",
        "event": "clicked",
        "properties": {"$lib": "posthog-node", "$lib_version": "2.6.0"},
        "type": "capture",
        "library": "posthog-node",
        "library_version": "2.6.0",
        "timestamp": "2026-03-02T11:00:01.556Z",
    }
    with_uuid = {**clicked, "uuid": "c1"}
    body = {
        "api_key": with_key_in_body(backend),
        "batch": [clicked, with_uuid, clicked, clicked, with_uuid],
        "sent_at": "2026-03-02T11:00:02.060Z",
    }
    for _ in range(2):
        answer = await backend.post("/batch/", json=body)
        assert answer.json() == {"success": True, "accepted": 5, "rejected": 0}
    reader = await open_client("health", scopes=["health:read"])
    waiting = (await reader.get("/api/v1/unattributed")).json()["data"]
    assert len({row["event_id"] for row in waiting}) == len(waiting) == 4


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
async def test_a_byte_order_mark_costs_no_event(backend: httpx.AsyncClient, pack: Any) -> None:
    def marked(text: str) -> bytes:
        packed: bytes = pack(b"\xef\xbb\xbf" + text.encode())
        return packed

    one, line = json.dumps(track("1")), json.dumps(track("2"))
    bodies = [("/v1/track", one), ("/v1/batch", f'{{"batch": [{one}]}}')]
    for path, text in bodies:
        answer = await backend.post(path, content=marked(text))
        assert answer.json() == {"success": True, "accepted": 1, "rejected": 0}, path
    lines = marked(f"{one}\r\n\r\n{line}\r\n")

    async def byte_by_byte() -> AsyncIterator[bytes]:
        for at in range(len(lines)):
            yield lines[at : at + 1]

    answer = await backend.post("/v1/bulk", content=byte_by_byte())
    assert (answer.json()["accepted"], answer.json()["rejected"]) == (2, 0)


async def test_what_is_not_in_utf8_is_told_so(backend: httpx.AsyncClient) -> None:
    text = json.dumps({"batch": [track("1")]})
    whole = await backend.post("/v1/batch", content=text.encode("utf-16"))
    assert (whole.status_code, "send UTF-8" in whole.json()["message"]) == (400, True)
    lines = await backend.post("/v1/bulk", content=json.dumps(track("1")).encode("utf-16-le"))
    assert "send UTF-8" in lines.json()["errors"][0]["message"]


async def test_lines_sent_as_a_batch_are_shown_the_way(backend: httpx.AsyncClient) -> None:
    lines = f"{json.dumps(track('1'))}\n{json.dumps(track('2'))}\n"
    answer = await backend.post("/v1/batch", content=lines)
    assert (answer.status_code, "/v1/bulk" in answer.json()["message"]) == (400, True)


async def test_groups_of_a_batch_are_told_once_each_in_their_order(
    backend: httpx.AsyncClient, open_database: OpenDatabase
) -> None:
    calls = [
        message("group", type="group", messageId=call_id, groupId=account)
        for call_id, account in (("2", "beta"), ("1", "acme"), ("2", "other"))
    ]
    for _ in range(2):
        answer = await backend.post("/v1/batch", json={"batch": calls})
        assert answer.json() == {"success": True, "accepted": 3, "rejected": 0}
    database = await open_database("health")
    async with database.transaction() as tx:
        told = await tx.fetch_all(
            "SELECT aggregateid FROM outbox WHERE type LIKE '%group_identified%' ORDER BY seq"
        )
    assert [row["aggregateid"] for row in told] == ["beta", "acme"]


async def test_a_posthog_key_that_opens_nothing_is_a_401(backend: httpx.AsyncClient) -> None:
    with_key_in_body(backend)
    answer = await backend.post("/batch/", json={"api_key": "phc_x", "batch": [capture("seen")]})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_write_key")


async def test_posthog_is_told_that_there_are_no_flags(backend: httpx.AsyncClient) -> None:
    for path in ("/flags/?v=4", "/flags?v=2", "/decide/?v=3"):
        answer = await backend.post(path, json={"distinct_id": "u1", "token": "x"})
        assert (answer.status_code, answer.json()["flags"]) == (200, {})


@pytest.mark.parametrize(
    "path",
    [
        "/api/feature_flag/local_evaluation/?token=x",  # posthog-python up to 6
        "/api/feature_flag/local_evaluation?token=x&send_cohorts",  # posthog-node up to 4
        "/api/feature_flag/local_evaluation?send_cohorts=true&token=x",  # posthog-go
        "/flags/definitions?token=x&send_cohorts",  # posthog-node 5, posthog-python 7
    ],
)
async def test_a_backend_with_a_personal_key_finds_no_flags_to_evaluate(
    backend: httpx.AsyncClient, path: str
) -> None:
    answer = await backend.get(path, headers={"Authorization": "Bearer phx_x"})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"flags": [], "group_type_mapping": {}, "cohorts": {}}


async def test_an_app_is_told_to_do_nothing_but_send_events(backend: httpx.AsyncClient) -> None:
    answer = await backend.get("/array/phc_x/config?ip=0")
    assert (answer.status_code, answer.json()["hasFeatureFlags"]) == (200, False)


async def test_rudderstack_in_a_browser_is_told_to_send_all_of_it_here(
    backend: httpx.AsyncClient,
) -> None:
    asked = {"p": "npm", "v": "3.34.1", "build": "modern", "lockPluginsVersion": "true"}
    for path in ("/sourceConfig/", "/sourceConfig"):
        answer = await backend.get(path, params=asked)
        source = answer.json()["source"]
        assert (source["enabled"], source["destinations"]) == (True, []), answer.text
    asked["writeKey"] = with_key_in_body(backend)
    assert (await backend.get("/sourceConfig/", params=asked)).status_code == 200
    wrong = await backend.get("/sourceConfig/", params={**asked, "writeKey": "tnr_x"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_write_key")


async def test_what_posthog_says_about_itself_is_no_use(
    backend: httpx.AsyncClient, csm: httpx.AsyncClient
) -> None:
    groups = {"$groups": {"company": "acme"}}
    batch = [
        capture("$feature_flag_called", "1", **groups),
        capture("$exception", "2"),
        capture("$groupidentify", "3", **{"$group_type": "company", "$group_key": "acme"}),
        capture("$identify", "4", **groups),
        capture("$create_alias", "5", alias="before"),
        capture("$pageview", "6", **groups),
    ]
    answer = await backend.post("/batch", json={"batch": batch})
    assert answer.json() == {"success": True, "accepted": 4, "rejected": 0, "ignored": 2}
    listed = (await csm.get("/api/v1/user_aliases", params={"user_id": "before"})).json()["data"]
    assert [(row["previous_id"], row["user_id"]) for row in listed] == [("before", "u1")]


async def test_an_event_of_an_alias_belongs_to_the_account_of_the_user(
    backend: httpx.AsyncClient, csm: httpx.AsyncClient
) -> None:
    await backend.post("/v1/identify", json=message("identify"))
    await backend.post("/v1/alias", json=message("alias", previousId="visitor"))
    await backend.post("/v1/track", json=track("7", context={}, userId="visitor"))
    await backend.post("/v1/track", json=track("8", context={}, userId="stranger"))
    waiting = (await csm.get("/api/v1/unattributed")).json()["data"]
    assert [row["event_id"] for row in waiting] == ["8"]


async def test_who_was_grouped_before_signing_in_belongs_to_the_account(
    backend: httpx.AsyncClient, csm: httpx.AsyncClient
) -> None:
    """As RudderStack and Segment send from a browser, where a workspace is known before a user."""
    seen = {"anonymousId": "a-1", "context": {}}
    group = message("group", userId="", **seen)
    identify = message("identify", **seen)
    page = message("page", messageId="p1", **seen)
    before = message("track", messageId="t1", userId="", **seen)
    for kind, body in (("group", group), ("track", before), ("identify", identify), ("page", page)):
        answer = await backend.post(f"/v1/{kind}", json=body)
        assert answer.json() == {"success": True, "accepted": 1, "rejected": 0}, answer.text
    assert (await csm.get("/api/v1/unattributed/summary")).json()["events"] == 0


async def test_a_user_of_two_accounts_has_no_only_one(
    backend: httpx.AsyncClient, csm: httpx.AsyncClient
) -> None:
    for account in ("acme", "other"):
        body = message("group", messageId=account, groupId=account)
        await backend.post("/v1/group", json=body)
    await backend.post("/v1/track", json=track("7", context={}))
    assert (await csm.get("/api/v1/unattributed/summary")).json()["events"] == 1


async def test_waiting_events_are_found_counted_and_given_to_an_account_by_id(
    backend: httpx.AsyncClient, csm: httpx.AsyncClient
) -> None:
    batch = [track(str(n), context={}, userId=f"u{n % 2}") for n in range(4)]
    await backend.post("/v1/batch", json={"batch": batch})
    found = (await csm.get("/api/v1/unattributed", params={"user_id": "u1"})).json()["data"]
    assert sorted(row["event_id"] for row in found) == ["1", "3"]
    summary = (await csm.get("/api/v1/unattributed/summary")).json()
    assert (summary["events"], summary["users"]) == (4, 2)
    body = {"events": [found[0]["id"], 10**15], "account_id": "acme"}
    answer = await csm.post("/api/v1/unattributed/attribute", json=body)
    assert answer.json() == {"events": 1}
    assert (await csm.get("/api/v1/unattributed/summary")).json()["events"] == 3
    # Giving events away says nothing about their user: the next one waits as well.
    await backend.post("/v1/track", json=track("9", context={}, userId="u1"))
    assert (await csm.get("/api/v1/unattributed/summary")).json()["events"] == 4


@pytest.mark.parametrize("body", [{}, {"user_id": "u", "events": [1]}, {"events": []}])
async def test_an_attribution_names_a_user_or_events(
    csm: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    answer = await csm.post("/api/v1/unattributed/attribute", json={**body, "account_id": "acme"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_rejections_are_filtered_and_counted(
    backend: httpx.AsyncClient, csm: httpx.AsyncClient
) -> None:
    batch = [track("1", event=""), track("2", event=""), track("3", timestamp="yesterday")]
    await backend.post("/v1/batch", json={"batch": batch})
    summary = (await csm.get("/api/v1/rejections/summary")).json()
    assert summary["events"] == 3
    assert [(each["code"], each["events"]) for each in summary["by_code"]] == [
        ("missing_event", 2),
        ("invalid_timestamp", 1),
    ]
    late = {"code": "invalid_timestamp", "source": "billing", "since": "2026-03-02T00:00:00Z"}
    listed = (await csm.get("/api/v1/rejections", params=late)).json()["data"]
    assert [row["event_id"] for row in listed] == ["3"]
    assert json.loads(listed[0]["raw"])["timestamp"] == "yesterday"
    future = {"since": "2026-03-03T00:00:00Z"}
    assert (await csm.get("/api/v1/rejections/summary", params=future)).json()["events"] == 0


async def test_a_stream_of_lines_is_taken_in_and_bad_lines_are_named(
    backend: httpx.AsyncClient, csm: httpx.AsyncClient
) -> None:
    event = {"specversion": "1.0", "id": "a", "source": "/shop", "type": "seen", "subject": "acme"}
    lines = [track("1"), event, track("2", event=""), None, {**event, "id": "b", "subject": ""}]
    body = b"\n".join(b"" if line is None else json.dumps(line).encode() for line in lines)
    body += b"\n{" + b"x" * 100_000 + b"\n" + json.dumps(track("3")).encode()
    answer = (await backend.post("/v1/bulk", content=gzip.compress(body))).json()
    assert (answer["accepted"], answer["rejected"], answer["lines"]) == (3, 3, 7)
    assert [(error["line"], error["code"]) for error in answer["errors"]] == [
        (3, "missing_event"),
        (5, "missing_account"),
        (6, "event_too_large"),
    ]
    assert (await csm.get("/api/v1/rejections/summary")).json()["events"] == 3


async def test_a_long_stream_is_not_bound_to_the_size_of_a_body(
    backend: httpx.AsyncClient,
) -> None:
    pad = "x" * 10_000
    lines = (json.dumps(track(str(n), properties={"pad": pad})) for n in range(1_000))
    body = "\n".join(lines).encode()
    assert len(body) > 8 * 1024 * 1024
    answer = await backend.post("/v1/bulk", content=body, timeout=60)
    assert (answer.json()["accepted"], answer.json()["rejected"]) == (1_000, 0)


async def test_strict_mode_takes_in_all_lines_or_none(backend: httpx.AsyncClient) -> None:
    body = "\n".join(json.dumps(each) for each in (track("1"), track("2", event="")))
    answer = await backend.post("/v1/bulk", content=body, headers={"x-strict-mode": "1"})
    assert answer.status_code == 400
    assert [(e["line"], e["code"]) for e in answer.json()["errors"]] == [(2, "missing_event")]


async def test_gzip_of_several_members_is_read_to_its_end(backend: httpx.AsyncClient) -> None:
    parts = (json.dumps(track(str(n))).encode() + b"\n" for n in range(3))
    answer = await backend.post("/v1/bulk", content=b"".join(map(gzip.compress, parts)))
    assert answer.json()["accepted"] == 3


async def test_the_limits_are_those_that_hold(backend: httpx.AsyncClient) -> None:
    del backend.headers["Authorization"]
    limits = (await backend.get("/v1/limits")).json()
    assert limits["event_bytes"] == 32 * 1024
    assert limits["body_bytes"] == 6 * 1024 * 1024
    assert limits["deduplication_seconds"] == 7 * 86_400


async def test_too_many_events_in_a_batch_are_a_413(backend: httpx.AsyncClient) -> None:
    answer = await backend.post("/v1/batch", content=b'{"batch":[' + b"{}," * 10_000 + b"{}]}")
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize("bad", ["NaN", "-Infinity", '"\\ud800"', "1e999"])
async def test_an_event_that_is_no_json_spoils_no_batch(
    backend: httpx.AsyncClient, csm: httpx.AsyncClient, bad: str
) -> None:
    cloudevent = {"specversion": "1.0", "id": "c", "source": "/s", "type": "é", "subject": "acme"}
    for path, frame, good in (
        ("/v1/batch", '{"batch": [%s]}', track("1", event="é" * 100)),
        ("/batch", '{"batch": [%s]}', capture("seen", **{"$groups": {"company": "acme"}})),
        ("/batch", "[%s]", capture("seen", uuid="c2", **{"$groups": {"company": "acme"}})),
        ("/v1/events", "[%s]", cloudevent),
    ):
        events = f'{json.dumps(good, ensure_ascii=False)}, {{"messageId": "2", "x": {bad}}}'
        body = (frame % events).encode()
        answer = await backend.post(path, content=body)
        assert answer.json() == {"success": True, "accepted": 1, "rejected": 1}, (path, answer.text)
        strict = await backend.post(path, content=body, headers={"x-strict-mode": "1"})
        (error,) = strict.json()["errors"]
        assert (strict.status_code, error["index"], error["code"]) == (400, 1, "invalid_json")
    listed = (await csm.get("/api/v1/rejections")).json()["data"]
    assert {row["code"] for row in listed} == {"invalid_json"}
    assert all('"messageId":"2"' in row["raw"].replace(" ", "") for row in listed)


async def test_a_first_posthog_event_that_is_none_spoils_no_batch(
    backend: httpx.AsyncClient,
) -> None:
    event = capture("seen", **{"$groups": {"company": "acme"}})
    answer = await backend.post("/batch", json=[None, event])
    assert answer.json() == {"success": True, "accepted": 1, "rejected": 1}
    key = with_key_in_body(backend)
    answer = await backend.post("/batch", json=[{"properties": []}, {**event, "api_key": key}])
    assert answer.json() == {"success": True, "accepted": 1, "rejected": 1}


async def test_who_reads_events_learns_no_write_key(
    backend: httpx.AsyncClient, csm: httpx.AsyncClient
) -> None:
    key = with_key_in_body(backend)
    await backend.post("/v1/track", json={**message("track", event=""), "writeKey": key})
    await backend.post("/capture", json={**capture(""), "api_key": key})
    await backend.post("/e/", json=[capture("seen", token=key)])
    assert (await csm.get("/api/v1/rejections/summary")).json()["events"] == 2
    assert (await csm.get("/api/v1/unattributed/summary")).json()["events"] == 1
    for page in ("rejections", "unattributed"):
        shown = (await csm.get(f"/api/v1/{page}")).text
        assert key not in shown
        assert key[:12] in shown


@pytest.mark.parametrize("encoding", ["br", "zstd", " ZSTD"])
async def test_a_packing_that_is_not_read_is_named(
    backend: httpx.AsyncClient, encoding: str
) -> None:
    for path in ("/v1/batch", "/v1/bulk", "/capture"):
        packed = {"content": b"\x28\xb5\x2f\xfd", "headers": {"content-encoding": encoding}}
        answer = await backend.post(path, **packed)
        assert (answer.status_code, answer.json()["code"]) == (400, "unsupported_encoding")
        assert "gzip" in answer.json()["message"]
    plain = await backend.post(
        "/v1/batch", json={"batch": []}, headers={"content-encoding": encoding}
    )
    assert plain.status_code == 200
