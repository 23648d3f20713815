"""Contacts over HTTP, on a real database."""

from typing import Any

import httpx
import pytest
import pytest_asyncio

KIM = {"name": "Kim Sorel", "email": "kim@example.com", "role": "champion"}
LEE = {"name": "Lee Adisa", "email": "lee@example.com", "role": "champion"}
CONTACTS = "accounts/acme/contacts"


@pytest_asyncio.fixture(autouse=True)
async def acme(api: httpx.AsyncClient, said: Any) -> None:
    body = {"account_id": "acme", "name": "Acme", "time_zone": "Europe/Berlin"}
    await api.post("accounts", json={**body, "start_onboarding": False})
    await said()


async def added(api: httpx.AsyncClient, person: dict[str, Any]) -> dict[str, Any]:
    response = await api.post(CONTACTS, json=person)
    assert response.status_code == 201, response.text
    return dict(response.json())


async def edited(
    api: httpx.AsyncClient, contact: dict[str, Any], change: dict[str, Any]
) -> httpx.Response:
    headers = {"If-Match": f'"{contact["version"]}"'}
    return await api.patch(f"{CONTACTS}/{contact['contact_id']}", json=change, headers=headers)


async def test_a_contact_is_added_in_the_account_s_time_zone_and_shown(
    api: httpx.AsyncClient,
) -> None:
    kim = await added(api, {**KIM, "language": "de", "channel": "chat", "external_user_id": "u-1"})
    assert (kim["time_zone"], kim["status"], kim["do_not_contact"]) == (
        "Europe/Berlin",
        "active",
        False,
    )
    shown = await api.get(f"{CONTACTS}/{kim['contact_id']}")
    assert shown.json() == kim
    assert shown.headers["etag"] == '"1"'


async def test_nothing_personal_about_a_contact_is_said(api: httpx.AsyncClient, said: Any) -> None:
    kim = await added(api, KIM)
    await edited(api, kim, {"status": "left"})
    facts = await said()
    assert [name for name, _ in facts] == ["contact_added", "contact_left"]
    assert facts[0][1] == {
        "account_id": "acme",
        "contact_id": kim["contact_id"],
        "role": "champion",
    }
    assert "Kim" not in str(facts)
    assert "kim@" not in str(facts)


async def test_the_last_champion_to_leave_is_said_to_be_the_last(
    api: httpx.AsyncClient, said: Any
) -> None:
    kim, lee = await added(api, KIM), await added(api, LEE)
    await added(api, {**KIM, "email": "buyer@example.com", "role": "buyer"})
    await said()
    await api.post(f"{CONTACTS}/{kim['contact_id']}/leave")
    left = await api.post(f"{CONTACTS}/{lee['contact_id']}/leave")
    assert left.json()["status"] == "left"
    assert [(n, d["contact_id"], d["last_in_role"]) for n, d in await said()] == [
        ("contact_left", kim["contact_id"], False),
        ("contact_left", lee["contact_id"], True),
    ]


async def test_a_contact_leaves_once(api: httpx.AsyncClient, said: Any) -> None:
    kim = await added(api, KIM)
    await api.post(f"{CONTACTS}/{kim['contact_id']}/leave")
    await said()
    again = await api.post(f"{CONTACTS}/{kim['contact_id']}/leave")
    assert (again.status_code, again.json()["version"]) == (200, 2)
    assert await said() == []


async def test_a_contact_who_comes_back_or_changes_role_is_said_anew(
    api: httpx.AsyncClient, said: Any
) -> None:
    kim = await added(api, KIM)
    gone = (await edited(api, kim, {"status": "left"})).json()
    back = (await edited(api, gone, {"status": "active"})).json()
    await edited(api, back, {"role": "buyer"})
    assert [(name, data["role"]) for name, data in await said()] == [
        ("contact_added", "champion"),
        ("contact_left", "champion"),
        ("contact_added", "champion"),
        ("contact_added", "buyer"),
    ]


async def test_whoever_leaves_left_in_the_role_they_had(api: httpx.AsyncClient, said: Any) -> None:
    kim = await added(api, KIM)
    await edited(api, kim, {"status": "left", "role": "user"})
    name, data = (await said())[-1]
    assert (name, data["role"], data["last_in_role"]) == ("contact_left", "champion", True)


async def test_an_address_is_one_contact_of_the_account(api: httpx.AsyncClient) -> None:
    await added(api, KIM)
    lee = await added(api, LEE)
    twin = await api.post(CONTACTS, json={**LEE, "email": "KIM@example.com"})
    assert (twin.status_code, twin.json()["code"]) == (409, "contact_exists")
    assert "kim" not in twin.text.lower()
    assert (await edited(api, lee, {"email": "kim@example.com"})).status_code == 409


async def test_a_change_needs_the_contact_s_version(api: httpx.AsyncClient) -> None:
    kim = await added(api, KIM)
    path = f"{CONTACTS}/{kim['contact_id']}"
    assert (await api.patch(path, json={"name": "K"})).status_code == 428
    assert (await edited(api, kim, {"name": "K"})).headers["etag"] == '"2"'
    assert (await edited(api, kim, {"name": "K"})).status_code == 412


async def test_a_user_id_can_be_cleared_and_a_name_cannot(api: httpx.AsyncClient) -> None:
    kim = await added(api, {**KIM, "external_user_id": "u-1"})
    assert (await edited(api, kim, {"name": None})).status_code == 422
    cleared = await edited(api, kim, {"external_user_id": None})
    assert cleared.json()["external_user_id"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "kim"},
        {"role": "boss"},
        {"language": "german!"},
        {"time_zone": "Nowhere"},
        {"channel": "fax"},
        {"do_not_contact": "no"},
        {"external_user_id": "u\u0000"},
        {"status": "left"},
        {"phone": "1"},
    ],
)
async def test_garbage_is_refused(api: httpx.AsyncClient, wrong: Any) -> None:
    assert (await api.post(CONTACTS, json={**KIM, **wrong})).status_code == 422
    assert (await api.get(CONTACTS)).json()["data"] == []


async def test_contacts_are_listed_page_by_page_and_by_status(api: httpx.AsyncClient) -> None:
    kim, lee = await added(api, KIM), await added(api, LEE)
    await api.post(f"{CONTACTS}/{kim['contact_id']}/leave")
    first = (await api.get(CONTACTS, params={"limit": 1})).json()
    second = (await api.get(CONTACTS, params={"limit": 1, "cursor": first["next_cursor"]})).json()
    assert [p["data"][0]["contact_id"] for p in (first, second)] == [
        kim["contact_id"],
        lee["contact_id"],
    ]
    active = (await api.get(CONTACTS, params={"status": "active"})).json()["data"]
    assert [contact["name"] for contact in active] == ["Lee Adisa"]
    assert (await api.get(CONTACTS, params={"status": "gone"})).status_code == 422


async def test_a_contact_of_another_account_is_not_found(api: httpx.AsyncClient) -> None:
    kim = await added(api, KIM)
    await api.post("accounts", json={"account_id": "other", "name": "Other"})
    response = await api.get(f"accounts/other/contacts/{kim['contact_id']}")
    assert (response.status_code, response.json()["code"]) == (404, "contact_not_found")
