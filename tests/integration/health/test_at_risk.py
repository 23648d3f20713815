"""Accounts at risk, ranked by probability and by what they pay."""

from datetime import date
from typing import Any

import httpx
import pytest

from shared.contracts.renewals import ContractAmended
from shared.db.transaction import Database
from tests.integration.health.test_standing import SIGNED, hear


async def sign(health: Database, account_id: str, yearly: int, currency: str = "EUR") -> None:
    await hear(
        health,
        SIGNED.model_copy(
            update={"account_id": account_id, "amount_minor": yearly, "currency": currency}
        ),
    )


async def signal(csm: httpx.AsyncClient, account_id: str, *types: str) -> None:
    for one in types:
        await csm.post(f"/api/v1/accounts/{account_id}/signals", json={"type": one})


async def listed(csm: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await csm.get("/api/v1/at-risk", params=query)
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def test_the_likeliest_loss_and_the_dearest_come_first(
    csm: httpx.AsyncClient, health: Database
) -> None:
    await sign(health, "large", 12_000_000)
    await sign(health, "small", 1_200_000)
    await signal(csm, "large", "payment_failed")
    await signal(csm, "small", "champion_left", "merger")
    await signal(csm, "stranger", "champion_left")
    by_probability = await listed(csm)
    assert [one["account_id"] for one in by_probability] == ["small", "stranger", "large"]
    by_value = await listed(csm, sort="value")
    assert [one["account_id"] for one in by_value] == ["large", "small", "stranger"]
    first = by_value[0]
    assert first["mrr"] == {"amount_minor": 1_000_000, "currency": "EUR"}
    assert first["value_at_risk"] == {"amount_minor": 120_000, "currency": "EUR"}
    assert (first["probability"], first["origin"]) == (pytest.approx(0.12), "rule")
    assert first["notice_date"] == "2026-03-02"
    assert first["risks"][0]["title"] == "A payment has failed"
    assert by_probability[0]["probability"] == pytest.approx(1 - 0.75 * 0.75)
    assert (by_value[2]["mrr"], by_value[2]["value_at_risk"]) == (None, None)


async def test_pages_follow_each_other_in_both_orders(
    csm: httpx.AsyncClient, health: Database
) -> None:
    for n in range(7):
        if n % 2:
            await sign(health, f"a{n}", 1_200_000 * (1 + n % 3))
        await signal(csm, f"a{n}", "payment_failed")
    for sort in ("probability", "value"):
        whole = [one["account_id"] for one in await listed(csm, sort=sort)]
        pages: list[str] = []
        cursor: str | None = None
        for _ in range(7):
            query = {"sort": sort, "limit": 2, **({"cursor": cursor} if cursor else {})}
            page = (await csm.get("/api/v1/at-risk", params=query)).json()
            pages += [one["account_id"] for one in page["data"]]
            cursor = page["next_cursor"]
            if not page["has_more"]:
                break
        assert pages == whole
        assert len(set(pages)) == 7


async def test_a_contract_that_comes_later_gives_the_value_and_an_amendment_the_notice_date(
    csm: httpx.AsyncClient, health: Database
) -> None:
    await signal(csm, "acme", "payment_failed")
    assert (await listed(csm))[0]["mrr"] is None
    await sign(health, "acme", 1_200_000)
    assert (await listed(csm))[0]["mrr"]["amount_minor"] == 100_000
    amended = ContractAmended(
        account_id="acme",
        contract_id="c-1",
        ends_on=date(2026, 8, 31),
        notice_date=date(2026, 6, 2),
        auto_renew=True,
    )
    await hear(health, amended)
    (one,) = await listed(csm)
    assert (one["notice_date"], round(one["months_to_renewal"])) == ("2026-06-02", 6)


async def test_money_of_several_currencies_is_ranked_by_the_one_that_is_named(
    csm: httpx.AsyncClient, health: Database
) -> None:
    await sign(health, "euro", 1_200_000)
    await sign(health, "dollar", 1_200_000, "USD")
    await signal(csm, "euro", "payment_failed")
    await signal(csm, "dollar", "payment_failed")
    answer = await csm.get("/api/v1/at-risk", params={"sort": "value"})
    assert (answer.status_code, answer.json()["code"]) == (422, "currency_needed")
    assert "EUR, USD" in answer.json()["detail"]
    (one,) = await listed(csm, sort="value", currency="USD")
    assert one["account_id"] == "dollar"
    totals = (await csm.get("/api/v1/at-risk/totals")).json()
    assert totals["accounts"] == 2
    assert totals["by_currency"][0] == {
        "currency": "EUR",
        "accounts": 1,
        "mrr_minor": 100_000,
        "value_at_risk_minor": 12_000,
    }


async def test_who_has_recovered_is_at_risk_no_more(
    csm: httpx.AsyncClient, health: Database
) -> None:
    await signal(csm, "acme", "ticket_escalated")
    assert len(await listed(csm)) == 1
    (sent,) = (await csm.get("/api/v1/accounts/acme/signals")).json()["data"]
    await csm.post(
        f"/api/v1/accounts/acme/signals/{sent['id']}/retract", json={"reason": "Not theirs."}
    )
    assert await listed(csm) == []
    assert (await csm.get("/api/v1/at-risk/totals")).json() == {"accounts": 0, "by_currency": []}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"sort": "fame"}, 422),
        ({"currency": "euro"}, 422),
        ({"limit": 0}, 422),
        ({"cursor": "bm90aGluZw"}, 400),
    ],
)
async def test_a_wrong_question_is_answered_with_what_is_wrong(
    csm: httpx.AsyncClient, query: dict[str, Any], status: int
) -> None:
    answer = await csm.get("/api/v1/at-risk", params=query)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_probability_that_a_model_gave_comes_before_the_rule(
    csm: httpx.AsyncClient, health: Database
) -> None:
    async with health.transaction() as tx:
        await tx.execute(
            "INSERT INTO current_scores (account_id, segment, at, score, band, coverage, profile, "
            "p_loss, explanation, changed_at, kept_at) VALUES ('acme', 'smb', :now, 50, 'watch', "
            "1, 'default@1', 0.61, CAST('{}' AS jsonb), :now, :now)",
            now=tx.now,
        )
    await signal(csm, "acme", "payment_failed")
    (one,) = await listed(csm)
    assert (one["probability"], one["origin"]) == (0.61, "model")
