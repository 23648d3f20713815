"""Accounts and their owners over HTTP, on a real database."""

from typing import Any

import httpx
import pytest

ANA = {"name": "Ana Brandt", "email": "ana@example.com"}
BEN = {"name": "Ben Okoro", "email": "ben@example.com"}


async def opened(api: httpx.AsyncClient, account_id: str = "acme", **given: Any) -> httpx.Response:
    response = await api.post("accounts", json={"account_id": account_id, "name": "Acme", **given})
    assert response.status_code == 201, response.text
    return response


async def own(
    api: httpx.AsyncClient, role: str, person: dict[str, str], *, version: str = "*"
) -> httpx.Response:
    headers = {"If-Match": version}
    return await api.put(f"accounts/acme/owners/{role}", json=person, headers=headers)


async def test_an_account_is_opened_shown_and_said(api: httpx.AsyncClient, said: Any) -> None:
    response = await opened(api, segment="mid", time_zone="Europe/Berlin")
    assert response.headers["location"] == "/api/v1/accounts/acme"
    shown = await api.get("accounts/acme")
    assert shown.json() == response.json()
    assert shown.headers["etag"] == '"1"'
    (name, data), (started, plan) = await said()
    assert (name, started) == ("account_opened", "onboarding_started")
    assert data["segment"] == "mid"
    assert data["time_zone"] == "Europe/Berlin"
    assert data["opened_at"] == response.json()["opened_at"] == "2026-03-02T12:00:00Z"
    assert (plan["template"], plan["no_upsell_until"]) == ("default@1", "2026-05-31")


async def test_an_id_is_made_when_there_is_none(api: httpx.AsyncClient) -> None:
    response = await api.post("accounts", json={"name": "Acme"})
    assert response.json()["account_id"].startswith("acc_")
    assert (await api.get(f"accounts/{response.json()['account_id']}")).status_code == 200


async def test_an_imported_customer_has_no_plan(api: httpx.AsyncClient, said: Any) -> None:
    await opened(api, start_onboarding=False)
    assert [name for name, _ in await said()] == ["account_opened"]
    response = await api.get("accounts/acme/onboarding")
    assert (response.status_code, response.json()["code"]) == (404, "plan_not_found")


async def test_the_plan_of_an_account_opened_without_one_is_opened_later_and_once(
    api: httpx.AsyncClient, said: Any
) -> None:
    await opened(api, start_onboarding=False)
    first, again = [await api.post("accounts/acme/onboarding") for _ in range(2)]
    assert (first.status_code, first.json()["template"]) == (201, "default@1")
    assert (again.status_code, again.json()["code"]) == (409, "plan_exists")
    assert [name for name, _ in await said()] == ["account_opened", "onboarding_started"]


async def test_an_account_is_opened_once(api: httpx.AsyncClient) -> None:
    await opened(api)
    again = await api.post("accounts", json={"account_id": "acme", "name": "Other"})
    assert (again.status_code, again.json()["code"]) == (409, "account_exists")
    assert (await api.get("accounts/acme")).json()["name"] == "Acme"


async def test_a_request_sent_twice_under_one_key_opens_one_account(
    api: httpx.AsyncClient, said: Any
) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = await api.post("accounts", json={"name": "Acme"}, headers=headers)
    second = await api.post("accounts", json={"name": "Acme"}, headers=headers)
    assert first.json() == second.json()
    assert [name for name, _ in await said()].count("account_opened") == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "A", "account_id": "a b"}, "invalid_account_id"),
        ({"name": "A", "account_id": ""}, "invalid_account_id"),
        ({"name": "A", "segment": "Mid Market"}, "invalid_segment"),
        ({"name": "A", "time_zone": "Mars/Olympus"}, "unknown_time_zone"),
        ({"name": "A\u0000"}, "invalid_text"),
        ({"name": "  "}, "invalid_request"),
        ({"name": "x" * 201}, "invalid_request"),
        ({"name": None}, "invalid_request"),
        ({"name": "A", "start_onboarding": "maybe"}, "invalid_request"),
        ({"name": "A", "colour": "red"}, "invalid_request"),
        ({}, "invalid_request"),
        ([], "invalid_request"),
    ],
)
async def test_garbage_is_refused_with_a_reason(
    api: httpx.AsyncClient, body: Any, code: str
) -> None:
    response = await api.post("accounts", json=body)
    assert (response.status_code, response.json()["code"]) == (422, code)


async def test_a_change_needs_the_version_it_was_made_from(
    api: httpx.AsyncClient, said: Any
) -> None:
    await opened(api)
    await said()
    change = {"name": "Acme SE"}
    assert (await api.patch("accounts/acme", json=change)).status_code == 428
    headers = {"If-Match": '"1"'}
    changed = await api.patch("accounts/acme", json=change, headers=headers)
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert (await api.patch("accounts/acme", json=change, headers=headers)).status_code == 412
    ((name, data),) = await said()
    assert (name, data["name"], data["segment"]) == ("account_changed", "Acme SE", "smb")


@pytest.mark.parametrize("change", [{}, {"name": None}, {"account_id": "b"}, {"segment": "A B"}])
async def test_a_change_of_nothing_or_of_what_stays_is_refused(
    api: httpx.AsyncClient, change: Any
) -> None:
    await opened(api)
    response = await api.patch("accounts/acme", json=change, headers={"If-Match": "*"})
    assert response.status_code == 422
    assert (await api.get("accounts/acme")).json()["version"] == 1


async def test_a_change_to_what_it_is_already_says_nothing(
    api: httpx.AsyncClient, said: Any
) -> None:
    await opened(api)
    await said()
    response = await api.patch("accounts/acme", json={"name": "Acme"}, headers={"If-Match": "*"})
    assert response.json()["version"] == 1
    assert await said() == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "accounts/nobody", None),
        ("PATCH", "accounts/nobody", {"name": "A"}),
        ("GET", "accounts/nobody/owners", None),
        ("PUT", "accounts/nobody/owners/csm", ANA),
        ("DELETE", "accounts/nobody/owners/csm", None),
        ("GET", "accounts/nobody/contacts", None),
        ("POST", "accounts/nobody/contacts", {**ANA, "role": "buyer"}),
        ("GET", "accounts/nobody/contacts/con_1", None),
        ("PATCH", "accounts/nobody/contacts/con_1", {"name": "A"}),
        ("POST", "accounts/nobody/contacts/con_1/leave", None),
        ("GET", "accounts/nobody/onboarding", None),
        ("POST", "accounts/nobody/milestones/kickoff_held/complete", None),
    ],
)
async def test_an_unknown_account_is_not_found_anywhere(
    api: httpx.AsyncClient, method: str, path: str, body: Any
) -> None:
    response = await api.request(method, path, json=body, headers={"If-Match": "*"})
    assert (response.status_code, response.json()["code"]) == (404, "account_not_found")


async def test_accounts_are_listed_by_id_page_by_page(api: httpx.AsyncClient) -> None:
    for account_id in ("b", "a", "B", "c"):
        await opened(api, account_id)
    first = (await api.get("accounts", params={"limit": 3})).json()
    assert [account["account_id"] for account in first["data"]] == ["B", "a", "b"]
    params = {"limit": 3, "cursor": first["next_cursor"]}
    rest = (await api.get("accounts", params=params)).json()
    assert [account["account_id"] for account in rest["data"]] == ["c"]
    assert (rest["has_more"], rest["next_cursor"]) == (False, None)


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "owner_email=%00"])
async def test_a_list_refuses_bounds_and_characters_it_cannot_use(
    api: httpx.AsyncClient, query: str
) -> None:
    assert (await api.get(f"accounts?{query}")).status_code == 422


async def test_a_cursor_of_another_kind_is_refused(api: httpx.AsyncClient) -> None:
    response = await api.get("accounts?cursor=garbage")
    assert (response.status_code, response.json()["code"]) == (400, "invalid_cursor")


async def test_accounts_are_filtered_by_segment_and_by_who_owns_them_now(
    api: httpx.AsyncClient,
) -> None:
    await opened(api, segment="mid")
    await opened(api, "other", segment="enterprise")
    await own(api, "csm", ANA)
    await own(api, "csm", BEN)

    async def ids(**params: str) -> list[str]:
        page = (await api.get("accounts", params=params)).json()
        return [account["account_id"] for account in page["data"]]

    assert await ids(segment="enterprise") == ["other"]
    assert await ids(owner_email="BEN@example.com") == ["acme"]
    assert await ids(owner_email="ana@example.com") == []


async def test_an_owner_is_replaced_and_stays_in_the_history(
    api: httpx.AsyncClient, said: Any, clock: Any
) -> None:
    await opened(api)
    await said()
    assert (await own(api, "csm", ANA, version='"1"')).headers["etag"] == '"2"'
    assert (await own(api, "csm", BEN, version='"1"')).status_code == 412
    assert (await own(api, "csm", BEN, version='"2"')).headers["etag"] == '"3"'
    now = (await api.get("accounts/acme/owners")).json()["data"]
    assert [(owner["email"], owner["valid_to"]) for owner in now] == [(BEN["email"], None)]
    ever = (await api.get("accounts/acme/owners", params={"history": "true"})).json()["data"]
    assert [owner["email"] for owner in ever] == [ANA["email"], BEN["email"]]
    assert ever[0]["valid_to"] == "2026-03-02T12:00:00Z"
    assert [(name, data["email"]) for name, data in await said()] == [
        ("owner_assigned", ANA["email"]),
        ("owner_assigned", BEN["email"]),
    ]


async def test_naming_the_owner_there_is_changes_nothing(api: httpx.AsyncClient, said: Any) -> None:
    await opened(api)
    await own(api, "csm", ANA)
    await said()
    assert (await own(api, "csm", ANA)).headers["etag"] == '"2"'
    assert await said() == []


async def test_a_role_becomes_vacant_once(api: httpx.AsyncClient, said: Any) -> None:
    await opened(api)
    await own(api, "ae", ANA)
    await said()
    assert (await api.delete("accounts/acme/owners/ae")).status_code == 204
    again = await api.delete("accounts/acme/owners/ae")
    assert (again.status_code, again.json()["code"]) == (404, "owner_not_found")
    assert await said() == [
        ("owner_removed", {"account_id": "acme", "role": "ae", "email": ANA["email"]})
    ]
    assert (await api.get("accounts/acme/owners")).json()["data"] == []


@pytest.mark.parametrize("person", [{"name": "Ana"}, {**ANA, "email": "ana"}, {**ANA, "name": " "}])
async def test_an_owner_has_a_name_and_an_address(api: httpx.AsyncClient, person: Any) -> None:
    await opened(api)
    assert (await own(api, "csm", person)).status_code == 422
    assert (await own(api, "boss", ANA)).status_code == 422


@pytest.mark.parametrize("scopes", [["onboarding:read"], ["health:write"]])
async def test_a_key_without_the_scope_changes_nothing(open_client: Any, scopes: Any) -> None:
    client = await open_client("onboarding", scopes=scopes)
    response = await client.post("/api/v1/accounts", json={"name": "Acme"})
    assert (response.status_code, response.json()["code"]) == (403, "missing_scope")


async def test_nobody_without_a_key_sees_anything(open_client: Any) -> None:
    client = await open_client("onboarding")
    assert (await client.get("/api/v1/accounts")).status_code == 401
