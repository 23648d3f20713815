"""What the tests of scores do with accounts."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx

from services.health.domain.profile.profile import Profile
from services.health.storage.account import accounts
from services.health.usecases.score.scoring import Models, Panel, rescore
from shared.db.transaction import Database

ACME = "/api/v1/accounts/acme"
AS_SHOWN = 1e-4
DAY = timedelta(days=1)


async def signal(csm: httpx.AsyncClient, type_: str, account: str = "acme", **more: Any) -> None:
    answer = await csm.post(f"/api/v1/accounts/{account}/signals", json={"type": type_, **more})
    assert answer.status_code == 201, answer.text


async def known(csm: httpx.AsyncClient, account: str = "acme", *, nps: float = 10) -> None:
    """Say enough about an account for a band: 40 of 100 points are observed."""
    await signal(csm, "outcome_checked_in", account, value=1.0)
    await signal(csm, "promise_kept", account)
    await signal(csm, "nps_answered", account, value=nps)
    await signal(csm, "champion_named", account)
    await signal(csm, "payment_succeeded", account)


async def read(csm: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await csm.get(f"{ACME}/health{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def rescored(health: Database, profile: Profile, models: Models | None = None) -> None:
    async with health.transaction() as tx:
        await tx.execute("UPDATE accounts SET rescore_at = :now", now=tx.now)
    more = 1
    while more:
        async with health.transaction() as tx:
            rows = await accounts.claim_rescore(tx, 100)
            judged = {str(row["account_id"]): profile for row in rows}
            await rescore(tx, rows, Panel(judged, models or {}))
            more = len(rows)


async def facts(health: Database, kind: str) -> Sequence[dict[str, Any]]:
    async with health.transaction() as tx:
        rows = await tx.fetch_all(
            "SELECT payload FROM outbox WHERE type = :type ORDER BY seq",
            type=f"io.tenure.health.{kind}.v1",
        )
    return [row["payload"]["data"] for row in rows]


async def value(health: Database, sql: str, **params: Any) -> Any:
    async with health.transaction() as tx:
        return await tx.fetch_value(sql, **params)
