"""Profiles over HTTP: written, checked, activated, retired; and every wrong input."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import yaml

from services.health.jobs.upkeep import refresh_scores, roll_out_profiles
from services.health.storage.account import accounts
from services.health.storage.profile import profiles
from services.health.usecases.files.files import load_profile
from shared.db.transaction import Database
from tests.builders.health import default_document
from tests.conftest import OpenClient, OpenDatabase

BOTH = ["health:read", "health:write"]


def written(name: str = "default", version: int = 50, **other: Any) -> str:
    return yaml.safe_dump({**default_document(), "name": name, "version": version, **other})


async def post(client: httpx.AsyncClient, text: str, path: str = "") -> httpx.Response:
    return await client.post(f"/api/v1/profiles{path}", content=text.encode())


async def test_a_version_is_stored_checked_and_activated(
    open_database: OpenDatabase, open_client: OpenClient
) -> None:
    health, client = await open_database("health"), await open_client("health", BOTH)
    text = "# why: we sell to shops\n" + written()
    checked = await post(client, text, "/validate")
    assert (checked.status_code, checked.json()["version"]) == (200, 50)
    listed = (await client.get("/api/v1/profiles")).json()["data"]
    assert {one["name"]: one["newest_version"] for one in listed}["default"] < 50
    made = await post(client, text)
    assert made.status_code == 201
    shown = (await client.get(made.headers["Location"])).json()
    assert shown["source"] == text
    assert shown["summary"]["low_score"]["confirmations"] == 2
    assert (shown["is_active"], shown["created_by"], shown["backtest"]) == (False, "test", None)
    active = await client.post("/api/v1/profiles/default/versions/50/activate")
    assert active.json()["is_active"] is True
    assert "no back-test was run for default@50" in active.json()["backtest_note"]
    versions = (await client.get("/api/v1/profiles/default")).json()
    assert [one["version"] for one in versions["data"] if one["is_active"]] == [50]
    async with health.transaction() as tx:
        said = await tx.fetch_value("SELECT count(*) FROM outbox")
    assert said == 1
    # Once more changes nothing, and says nothing.
    again = await client.post("/api/v1/profiles/default/versions/50/activate")
    assert again.json() == active.json()
    async with health.transaction() as tx:
        assert await tx.fetch_value("SELECT count(*) FROM outbox") == said


async def test_its_back_test_is_shown_when_a_version_is_activated(
    open_database: OpenDatabase, open_client: OpenClient
) -> None:
    health, client = await open_database("health"), await open_client("health", BOTH)
    await post(client, written())
    async with health.transaction() as tx:
        await profiles.save_backtest(tx, "default", 50, {"auc": 0.75})
    shown = (await client.post("/api/v1/profiles/default/versions/50/activate")).json()
    assert shown["backtest"] == {"auc": 0.75}
    assert shown["backtest_note"] == "the newest back-test of this version"


async def test_what_is_activated_judges_its_accounts_again_and_only_them(
    open_database: OpenDatabase, open_client: OpenClient
) -> None:
    health, client = await open_database("health"), await open_client("health", BOTH)
    async with health.transaction() as tx:
        await accounts.upsert(tx, "acme", "galactic", "UTC")
        await accounts.upsert(tx, "bolt", "mid", "UTC")
    await post(client, written("galaxy", 1, applies_to={"segments": ["galactic"]}))
    await client.post("/api/v1/profiles/galaxy/versions/1/activate")
    await settle(health)
    assert await judged_by(client, "acme") == "galaxy@1"
    assert await judged_by(client, "bolt") == load_profile().label
    rollout = (await client.get("/api/v1/profiles/galaxy")).json()["rollout"]
    assert (rollout["version"], rollout["marked"]) == (1, 1)
    assert rollout["finished_at"] is not None
    retired = await client.post("/api/v1/profiles/galaxy/versions/1/retire")
    assert (retired.json()["is_active"], retired.status_code) == (False, 200)
    await settle(health)
    assert str(await judged_by(client, "acme")).startswith("default@")


async def settle(health: Database) -> None:
    while await roll_out_profiles(health):
        pass
    while await refresh_scores(health):
        pass


async def judged_by(client: httpx.AsyncClient, account_id: str) -> str | None:
    shown = (await client.get(f"/api/v1/accounts/{account_id}/health")).json()
    found: str | None = shown["profile"]
    return found


async def test_json_is_read_as_well_and_what_is_odd_is_said(open_client: OpenClient) -> None:
    client = await open_client("health", BOTH)
    document = {
        **default_document(),
        "version": 51,
        "metrics": {"exports": {"kind": "count", "events": ["reprot.exported"]}},
    }
    document["dimensions"]["usage"]["inputs"]["logins"] = {"curve": [[0, 0], [9, 1]]}
    answer = await client.post("/api/v1/profiles/validate", json=document)
    warnings = answer.json()["warnings"]
    for words in (
        "metrics.exports.events[0]: the event 'reprot.exported' was never seen",
        "dimensions.usage.inputs.logins: nothing gives",
    ):
        assert any(re.match(r"line 1, column \d+: " + re.escape(words), w) for w in warnings)


@pytest.mark.parametrize(
    ("text", "status", "detail"),
    [
        ("", 422, "write a mapping that begins with name: and version:"),
        ("- a\n- b", 422, "write a mapping that begins with name: and version:"),
        ("name: [", 422, "line 1, column 8: this is not YAML"),
        ("name: &a x\nversion: *a", 422, "line 2, column 10: write the values out; YAML aliases"),
        ("name: a\nversion: !!python/name:os.system", 422, "line 2, column 10: this is not YAML"),
        ("name: \x00", 422, "line 1, column 7: remove the character #x0000"),
        ("1: 2", 422, "line 1, column 1: write names as text"),
        (
            "name: default",
            422,
            "2 mistakes:\nversion: write a whole number of at least 1, not None",
        ),
        (written(version=2_000_000_000), 422, "version: write at most 1000000000"),
        (written(version=1), 409, "version: default has version"),
        (written(applies_to={"segments": ["x"]}), 422, "applies_to: name segments"),
        (written("other"), 422, "applies_to: name segments"),
        (written(coverage_flour=1), 422, "coverage_flour: unknown; remove it or use one of"),
        (written(coverage_floor=float("nan")), 422, "write a number that is finite"),
        (written(metrics={"Big Sum": {"kind": "count"}}), 422, "metrics.Big Sum: write a name"),
        (written(metrics={"m": {"kind": "median"}}), 422, "metrics.m.kind: write one of count"),
        (written(metrics={"m": {"kind": "sum", "events": ["a"]}}), 422, "metrics.m.property: name"),
        (written(metrics={"m": {"kind": "sum", "property": "p"}}), 422, "metrics.m.events: name"),
        (
            written(metrics={"m": {"kind": "stickiness", "events": ["a"]}}),
            422,
            "metrics.m.events: remove it; stickiness counts people",
        ),
        (
            written(metrics={"m": {"kind": "count", "window_days": 400}}),
            422,
            "metrics.m.window_days: write at most 90",
        ),
        (
            written(metrics={"usage_ratio": {"kind": "count"}}),
            422,
            "metrics.usage_ratio: choose another name",
        ),
        ("x" * 300_000, 422, "the document is longer than 64 KiB"),
        ("a: " + "[" * 50_000, 422, "nest no more than 50 lists or mappings"),
        ("a: [1, 2", 422, "line 1, column 9"),
    ],
)
async def test_a_wrong_document_is_refused_with_its_path_and_what_to_write(
    open_client: OpenClient, text: str, status: int, detail: str
) -> None:
    client = await open_client("health", BOTH)
    for path in ("", "/validate"):
        answer = await post(client, text, path)
        said = answer.json()["detail"]
        if not detail.startswith("line "):
            said = re.sub(r"^line \d+, column \d+: ", "", said)
        assert (answer.status_code, said[: len(detail)]) == (status, detail)
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nobody", 404, "profile_unknown"),
        ("GET", "/default/versions/777", 404, "profile_unknown"),
        ("GET", "/default/versions/0", 422, "invalid_request"),
        ("GET", "/default/versions/99999999999999", 422, "invalid_request"),
        ("GET", "?cursor=bm8", 400, "invalid_cursor"),
        ("POST", "/default/versions/777/activate", 404, "profile_unknown"),
        ("POST", "/nobody/versions/1/retire", 404, "profile_unknown"),
        ("POST", "/default/versions/1/retire", 404, "profile_unknown"),
    ],
)
async def test_wrong_paths_get_a_clear_answer(
    open_client: OpenClient, method: str, path: str, status: int, code: str
) -> None:
    client = await open_client("health", BOTH)
    if path == "/default/versions/1/retire":
        active = (await client.get("/api/v1/profiles")).json()["data"]
        version = next(one["active_version"] for one in active if one["name"] == "default")
        path, status, code = f"/default/versions/{version}/retire", 409, "default_needed"
    answer = await client.request(method, f"/api/v1/profiles{path}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_two_profiles_for_the_same_accounts_cannot_both_be_active(
    open_client: OpenClient,
) -> None:
    client = await open_client("health", BOTH)
    await post(client, written("one", 1, applies_to={"segments": ["galactic", "mid"]}))
    await post(client, written("two", 1, applies_to={"segments": ["galactic"]}))
    assert (await client.post("/api/v1/profiles/one/versions/1/activate")).status_code == 200
    refused = await client.post("/api/v1/profiles/two/versions/1/activate")
    assert (refused.status_code, refused.json()["code"]) == (409, "profiles_overlap")
    assert refused.json()["rival"] == "one@1"
    gone = await client.post("/api/v1/profiles/two/versions/1/retire")
    assert (gone.status_code, gone.json()["code"]) == (409, "profile_not_active")
    await client.post("/api/v1/profiles/one/versions/1/retire")
    assert (await client.post("/api/v1/profiles/two/versions/1/activate")).status_code == 200


async def test_only_a_key_that_may_write_changes_profiles(open_client: OpenClient) -> None:
    reader = await open_client("health", ["health:read"])
    assert (await post(reader, written(), "/validate")).status_code == 200
    for path in ("", "/default/versions/1/activate", "/default/versions/1/retire"):
        answer = await post(reader, written(), path)
        assert (answer.status_code, answer.json()["required_scope"]) == (403, "health:write")
    nobody = await open_client("health")
    assert (await nobody.get("/api/v1/profiles")).status_code == 401


async def test_bytes_that_are_no_text_are_refused(open_client: OpenClient) -> None:
    client = await open_client("health", BOTH)
    answer = await client.post("/api/v1/profiles", content=b"\xff\xfe\x00")
    assert (answer.status_code, answer.json()["code"]) == (422, "profile_invalid")
    assert "save it as UTF-8" in answer.json()["detail"]


async def test_a_body_that_comes_slowly_holds_no_connection_to_the_database(
    open_client: OpenClient,
) -> None:
    client = await open_client("health", ["health:read"])
    begun, rest = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"name: tiny\n"
        begun.set()
        await rest.wait()
        yield b"version: 1\n"

    sending = asyncio.create_task(client.post("/api/v1/profiles/validate", content=slowly()))
    await begun.wait()
    database: Database = client._transport.app.state.database  # type: ignore[attr-defined]  # noqa: SLF001 - httpx has no other way to it
    assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # of a pool that counts
    rest.set()
    assert (await sending).status_code == 422
