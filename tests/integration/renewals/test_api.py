"""The HTTP door of renewals, on a real Postgres."""

import asyncio
from typing import Any

import httpx
import pytest

from services.renewals.listeners import note_risk
from tests.builders.renewals import risk_opened
from tests.conftest import OpenClient, OpenDatabase

BOTH = ["renewals:read", "renewals:write"]
ORDER: dict[str, Any] = {
    "starts_on": "2026-01-01",
    "ends_on": "2026-12-31",
    "seats": 25,
    "amount": {"amount_minor": 1_200_000, "currency": "EUR"},
}
CONTRACTS = "/api/v1/accounts/acme/contracts"


async def sign(client: httpx.AsyncClient, account_id: str = "acme", **fields: Any) -> Any:
    path = f"/api/v1/accounts/{account_id}/contracts"
    response = await client.post(path, json=ORDER | fields)
    assert response.status_code == 201, response.text
    return response.json()


async def the_renewal(client: httpx.AsyncClient) -> Any:
    response = await client.get("/api/v1/accounts/acme/renewals")
    (renewal,) = response.json()["data"]
    return renewal


async def test_a_contract_is_signed_and_read_back(open_client: OpenClient) -> None:
    client = await open_client("renewals", BOTH)

    created = await client.post(CONTRACTS, json=ORDER)
    read = await client.get(created.headers["Location"])

    assert created.status_code == 201
    assert read.json() == created.json()
    assert read.headers["ETag"] == '"1"'
    assert read.json()["notice_date"] == "2026-10-02"
    assert read.json()["status"] == "active"
    assert (await client.get(CONTRACTS)).json()["data"] == [created.json()]


async def test_the_same_request_signs_one_contract(open_client: OpenClient) -> None:
    client = await open_client("renewals", BOTH)

    answers = [
        await client.post(CONTRACTS, json=ORDER, headers={"Idempotency-Key": "one"})
        for _ in range(2)
    ]

    assert answers[0].json() == answers[1].json()
    assert len((await client.get(CONTRACTS)).json()["data"]) == 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"ends_on": "2025-12-31"}, "term_ends_before_it_starts"),
        ({"ends_on": "2026-01-31"}, "notice_due_before_term"),
        ({"seats": 0}, "invalid_request"),
        ({"seats": "25"}, "invalid_request"),
        ({"seats": True}, "invalid_request"),
        ({"starts_on": 1767225600}, "invalid_request"),
        ({"starts_on": "1767225600"}, "invalid_request"),
        ({"ends_on": "9999-12-31"}, "invalid_request"),
        ({"notice_period_days": -1}, "invalid_request"),
        ({"amount": {"amount_minor": 1, "currency": "eur"}}, "invalid_request"),
        ({"amount": {"amount_minor": 1.5, "currency": "EUR"}}, "invalid_request"),
        ({"colour": "red"}, "invalid_request"),
    ],
)
async def test_a_contract_that_makes_no_sense_is_refused(
    open_client: OpenClient, fields: dict[str, Any], code: str
) -> None:
    client = await open_client("renewals", BOTH)

    response = await client.post(CONTRACTS, json=ORDER | fields)

    assert (response.status_code, response.json()["code"]) == (422, code)


async def test_dates_move_only_from_the_version_that_was_read(open_client: OpenClient) -> None:
    client = await open_client("renewals", BOTH)
    contract = await sign(client)
    path = f"{CONTRACTS}/{contract['contract_id']}"
    change = {"ends_on": "2027-06-30"}

    assert (await client.patch(path, json=change)).status_code == 428
    moved = await client.patch(path, json=change, headers={"If-Match": '"1"'})
    stale = await client.patch(path, json=change, headers={"If-Match": '"1"'})

    assert moved.json()["notice_date"] == "2027-04-01"
    assert moved.headers["ETag"] == '"2"'
    assert stale.status_code == 412
    assert (await the_renewal(client))["notice_date"] == "2027-04-01"


async def test_of_two_changes_from_one_version_only_one_is_made(open_client: OpenClient) -> None:
    client = await open_client("renewals", BOTH)
    contract = await sign(client)
    path = f"{CONTRACTS}/{contract['contract_id']}"

    answers = await asyncio.gather(
        *(
            client.patch(path, json={"ends_on": day}, headers={"If-Match": '"1"'})
            for day in ("2027-01-31", "2027-02-28", "2027-03-31")
        )
    )

    assert sorted(answer.status_code for answer in answers) == [200, 412, 412]


@pytest.mark.parametrize("change", [{}, {"ends_on": None}, {"seats": 3}, {"ends_on": "2026-01-02"}])
async def test_an_amendment_that_makes_no_sense_is_refused(
    open_client: OpenClient, change: dict[str, Any]
) -> None:
    client = await open_client("renewals", BOTH)
    contract = await sign(client)
    path = f"{CONTRACTS}/{contract['contract_id']}"

    response = await client.patch(path, json=change, headers={"If-Match": '"1"'})

    assert response.status_code == 422


async def test_a_renewal_shows_its_probability_and_exactly_why(
    open_client: OpenClient, open_database: OpenDatabase
) -> None:
    client, database = await open_client("renewals", BOTH), await open_database("renewals")
    await sign(client)
    async with database.transaction() as tx:
        await note_risk(tx, risk_opened())

    renewal = await the_renewal(client)

    assert renewal["days_left"] == 214
    assert [(each["origin"], each["effect_points"]) for each in renewal["reasons"]] == [
        ("default", 85.0),
        ("rule", -15.6),
    ]
    assert renewal["probability"] == 0.694
    assert renewal["at_risk"]
    assert renewal["open_save"]["reasons"][0]["next_step"] == "Call the champion"
    assert (await client.get("/api/v1/saves?open=true")).json()["data"] == [renewal["open_save"]]
    of_account = await client.get("/api/v1/accounts/acme/saves")
    assert of_account.json()["data"] == [renewal["open_save"]]
    assert (await client.get("/api/v1/saves?open=false")).json()["data"] == []


async def test_a_persons_forecast_is_shown_beside(open_client: OpenClient) -> None:
    client = await open_client("renewals", BOTH)
    await sign(client)
    renewal = await the_renewal(client)
    path = f"/api/v1/accounts/acme/renewals/{renewal['renewal_id']}"
    order = {"probability": 0.4, "reason": "Their CFO left."}

    assert (await client.put(f"{path}/forecast", json=order)).status_code == 428
    said = await client.put(f"{path}/forecast", json=order, headers={"If-Match": '"1"'})

    assert said.status_code == 200
    assert said.json()["probability"] == 0.85
    assert said.json()["forecast"] == {
        "origin": "person",
        "probability": 0.4,
        "reason": "Their CFO left.",
        "by": "test",
        "at": "2026-03-02T12:00:00Z",
    }
    for probability in (1.1, -0.1, "0.4", None):
        bad = await client.put(
            f"{path}/forecast",
            json=order | {"probability": probability},
            headers={"If-Match": "*"},
        )
        assert bad.status_code == 422


async def test_what_people_do_with_a_contract_and_its_renewal_is_said(
    open_client: OpenClient, open_database: OpenDatabase
) -> None:
    client, database = await open_client("renewals", BOTH), await open_database("renewals")
    contract = await sign(client)
    change, version = {"ends_on": "2027-06-30"}, {"If-Match": '"1"'}
    await client.patch(f"{CONTRACTS}/{contract['contract_id']}", json=change, headers=version)
    renewal = await the_renewal(client)
    path = f"/api/v1/accounts/acme/renewals/{renewal['renewal_id']}/close"
    await client.post(path, json={"outcome": "lost"})

    async with database.transaction() as tx:
        rows = await tx.fetch_all("SELECT type FROM outbox ORDER BY seq")
    said = [row["type"].rpartition("renewals.")[2] for row in rows]
    assert said == ["contract_signed.v1", "contract_amended.v1", "renewal_lost.v1"]


async def test_a_renewal_is_worked_and_closed_once(open_client: OpenClient) -> None:
    client = await open_client("renewals", BOTH)
    await sign(client)
    renewal = await the_renewal(client)
    path = f"/api/v1/accounts/acme/renewals/{renewal['renewal_id']}"

    engaged = await client.patch(path, json={"stage": "engaged"}, headers={"If-Match": '"1"'})
    by_stage = await client.patch(path, json={"stage": "won"}, headers={"If-Match": '"2"'})
    won = await client.post(f"{path}/close", json={"outcome": "won"})
    again = await client.post(f"{path}/close", json={"outcome": "lost"})

    assert engaged.json()["stage"] == "engaged"
    assert by_stage.status_code == 422
    assert won.json()["stage"] == "won"
    assert (again.status_code, again.json()["code"]) == (409, "renewal_is_decided")


async def test_all_renewals_come_in_pages_by_notice_date(open_client: OpenClient) -> None:
    client = await open_client("renewals", BOTH)
    for month in (12, 10, 11, 10, 9, 10, 10):
        await sign(client, f"account-{month}", ends_on=f"2026-{month:02}-28")
    seen: list[str] = []
    ids: set[str] = set()
    cursor: str | None = ""

    while cursor is not None:
        page = (
            await client.get(
                f"/api/v1/renewals?limit=2&cursor={cursor}"
                if cursor
                else "/api/v1/renewals?limit=2"
            )
        ).json()
        seen += [each["ends_on"] for each in page["data"]]
        ids |= {each["renewal_id"] for each in page["data"]}
        cursor = page["next_cursor"]

    assert seen == ["2026-09-28", *["2026-10-28"] * 4, "2026-11-28", "2026-12-28"]
    assert len(ids) == len(seen)


async def test_renewals_are_filtered_by_risk_and_notice_date(
    open_client: OpenClient, open_database: OpenDatabase
) -> None:
    client, database = await open_client("renewals", BOTH), await open_database("renewals")
    await sign(client)
    await sign(client, "calm", ends_on="2027-12-31")
    async with database.transaction() as tx:
        await note_risk(tx, risk_opened())

    async def accounts(query: str) -> list[str]:
        page = (await client.get(f"/api/v1/renewals?{query}")).json()
        return [each["account_id"] for each in page["data"]]

    assert await accounts("at_risk=true") == ["acme"]
    assert await accounts("at_risk=false") == ["calm"]
    assert await accounts("before=2026-10-02") == []
    assert await accounts("before=2026-10-03") == ["acme"]
    assert (await client.get("/api/v1/renewals?before=soon")).status_code == 422
    assert (await client.get("/api/v1/renewals?cursor=x")).status_code == 400
    assert (await client.get("/api/v1/renewals?limit=201")).status_code == 422


@pytest.mark.parametrize("what", ["contracts", "renewals", "saves"])
async def test_an_account_nobody_has_heard_of_is_not_found(
    open_client: OpenClient, what: str
) -> None:
    client = await open_client("renewals", BOTH)

    assert (await client.get(f"/api/v1/accounts/ghost/{what}")).status_code == 404
    assert (await client.get(f"/api/v1/accounts/-ghost/{what}")).status_code == 422


async def test_changing_what_is_not_there_leaves_no_trace(open_client: OpenClient) -> None:
    client = await open_client("renewals", BOTH)
    missing = "0199a1b2-0000-7000-8000-000000000000"
    headers = {"If-Match": "*"}

    answers = [
        await client.patch(
            f"/api/v1/accounts/ghost/contracts/{missing}",
            json={"auto_renew": True},
            headers=headers,
        ),
        await client.patch(
            f"/api/v1/accounts/ghost/renewals/{missing}", json={"stage": "engaged"}, headers=headers
        ),
    ]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert (await client.get("/api/v1/accounts/ghost/contracts")).status_code == 404


async def test_reading_is_not_writing(open_client: OpenClient) -> None:
    reader = await open_client("renewals", ["renewals:read"])
    nobody = await open_client("renewals")

    assert (await reader.post(CONTRACTS, json=ORDER)).status_code == 403
    assert (await nobody.get("/api/v1/renewals")).status_code == 401
