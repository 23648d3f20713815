"""The HTTP door of expansion, on a real Postgres."""

import pytest

from tests.builders.expansion import contract_signed, risk_opened, usage
from tests.conftest import OpenClient, OpenDatabase
from tests.integration.expansion.hearing import hear

BOTH = ["expansion:read", "expansion:write"]
ACME = "/api/v1/accounts/acme"


async def test_utilisation_names_what_is_missing(
    open_client: OpenClient, open_database: OpenDatabase
) -> None:
    client, database = await open_client("expansion", BOTH), await open_database("expansion")
    await hear(database, contract_signed())

    shown = (await client.get(f"{ACME}/utilisation")).json()

    assert (shown["seats"], shown["utilisation"]) == (25, None)
    assert shown["explanation"] == "Utilisation is unknown: no day of usage has been sealed yet"


async def test_utilisation_is_shown_with_its_day(
    open_client: OpenClient, open_database: OpenDatabase
) -> None:
    client, database = await open_client("expansion", BOTH), await open_database("expansion")
    await hear(database, contract_signed(), usage())

    shown = (await client.get(f"{ACME}/utilisation")).json()

    assert shown["utilisation"] == 0.92
    assert shown["as_of"] == "2026-03-02"
    assert shown["near_limit_since"] == "2026-03-02T12:00:00Z"


async def test_an_opportunity_says_why_it_is_not_offered(
    open_client: OpenClient, open_database: OpenDatabase
) -> None:
    client, database = await open_client("expansion", BOTH), await open_database("expansion")
    await hear(database, contract_signed(), risk_opened(), usage())

    (shown,) = (await client.get(f"{ACME}/opportunities")).json()["data"]

    assert shown["explanation"] == (
        "23 of 25 seats were active in the last 28 days (92 %); "
        'not offered while: the risk "usage drop" is open'
    )
    assert shown["evidence"] == {
        "seats": 25,
        "active_users_28d": 23,
        "utilisation": 0.92,
        "as_of": "2026-03-02",
    }
    for status, found in (("withheld", [shown]), ("open", [])):
        page = (await client.get(f"/api/v1/opportunities?status={status}")).json()
        assert page["data"] == found
    one = await client.get(f"{ACME}/opportunities/{shown['opportunity_id']}")
    assert (one.json(), one.headers["ETag"]) == (shown, '"1"')


async def test_an_open_opportunity_is_closed_once(
    open_client: OpenClient, open_database: OpenDatabase
) -> None:
    client, database = await open_client("expansion", BOTH), await open_database("expansion")
    await hear(database, contract_signed(), usage())
    (found,) = (await client.get(f"{ACME}/opportunities")).json()["data"]
    path = f"{ACME}/opportunities/{found['opportunity_id']}/close"

    won = await client.post(path, json={"outcome": "won", "reason": "Ten more seats."})
    again = await client.post(path, json={"outcome": "lost"})

    assert (won.json()["status"], won.json()["closed_by"]) == ("won", "test")
    assert (again.status_code, again.json()["code"]) == (409, "opportunity_is_not_open")
    assert await hear(database, usage(24)) == []
    async with database.transaction() as tx:
        last = await tx.fetch_value("SELECT type FROM outbox ORDER BY seq DESC LIMIT 1")
    assert last == "io.tenure.expansion.opportunity_won.v1"


@pytest.mark.parametrize(
    "body",
    [{}, {"outcome": "lapsed"}, {"outcome": "won", "reason": " "}, {"outcome": "won", "x": 1}],
)
async def test_a_close_that_makes_no_sense_is_refused(
    open_client: OpenClient, body: dict[str, object]
) -> None:
    client = await open_client("expansion", BOTH)
    missing = "0199a1b2-0000-7000-8000-000000000000"

    assert (
        await client.post(f"{ACME}/opportunities/{missing}/close", json=body)
    ).status_code == 422


async def test_what_nobody_has_heard_of_is_not_found(open_client: OpenClient) -> None:
    client = await open_client("expansion", BOTH)
    missing = f"{ACME}/opportunities/0199a1b2-0000-7000-8000-000000000000"

    for path in (f"{ACME}/utilisation", f"{ACME}/opportunities", missing):
        assert (await client.get(path)).status_code == 404
    answer = await client.post(f"{missing}/close", json={"outcome": "won"})
    assert (answer.status_code, answer.json()["code"]) == (404, "opportunity_not_found")
    assert (await client.get("/api/v1/opportunities?status=soon")).status_code == 422


async def test_reading_is_not_writing(open_client: OpenClient) -> None:
    reader = await open_client("expansion", ["expansion:read"])
    nobody = await open_client("expansion")
    path = f"{ACME}/opportunities/0199a1b2-0000-7000-8000-000000000000/close"

    assert (await reader.post(path, json={"outcome": "won"})).status_code == 403
    assert (await nobody.get("/api/v1/opportunities")).status_code == 401
