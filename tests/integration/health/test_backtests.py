"""Back-tests through the API: queued, run in a process of their own, survived, read and refused."""

import asyncio
import os
import signal
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.health.gateways.calculation import Calculation
from services.health.jobs.backtests import run_backtests
from services.health.storage.backtest import backtests
from services.health.storage.backtest.backtests import LEASE
from services.health.storage.profile import profiles
from services.health.storage.score import fitted
from services.health.usecases.files.files import load_profile
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tests.builders.backtests import planted
from tests.conftest import NOON, OpenClient

VERSION = load_profile().version

BACKTESTS = "/api/v1/backtests"
MODELS = "/api/v1/profiles/default/models"
PLAN = {"horizon_days": 150, "min_lead_days": 30}

pytestmark = pytest.mark.timeout(600)


async def record(database: Database, accounts: int = 300) -> list[dict[str, Any]]:
    """Write a history whose losses come from usage; return its outcomes."""
    usage, outcomes = planted(accounts)
    async with database.transaction() as tx:
        await tx.execute_many(
            "INSERT INTO accounts (account_id, segment, first_seen_at) "
            "VALUES (:account_id, :segment, :now)",
            [
                {"account_id": name, "segment": segment, "now": tx.now}
                for name, segment in {o["account_id"]: o["segment"] for o in outcomes}.items()
            ],
        )
        await tx.execute_many(
            "INSERT INTO usage_daily (account_id, day, name, n) "
            "VALUES (:account_id, :day, :event, :count)",
            usage,
        )
        await tx.execute_many(
            "INSERT INTO usage_users (account_id, day, user_id, n) "
            "VALUES (:account_id, :day, 'u1', :count)",
            [{k: row[k] for k in ("account_id", "day", "count")} for row in usage],
        )
        await tx.execute_many(
            "INSERT INTO contracts (account_id, contract_id, starts_on, ends_on, notice_on, seats, "
            "amount_minor, currency) VALUES (:account_id, :contract, :starts, :ends, :notice, 5, "
            ":amount, 'EUR')",
            [_contract(row) for row in outcomes],
        )
        await tx.execute_many(
            "INSERT INTO renewal_outcomes (account_id, renewal_id, contract_id, resolved_at, "
            "is_lost, amount_minor, currency) VALUES (:account_id, :contract, :contract, "
            ":resolved, :lost, :amount, 'EUR')",
            [_outcome(row) for row in outcomes],
        )
    return outcomes


def _contract(row: dict[str, Any]) -> dict[str, Any]:
    due = row["renewal_date"]
    return {
        "account_id": row["account_id"],
        "contract": f"c-{due}",
        "starts": due - timedelta(days=365),
        "ends": due - timedelta(days=1),
        "notice": due - timedelta(days=60),
        "amount": 12 * row["mrr_minor"],
    }


def _outcome(row: dict[str, Any]) -> dict[str, Any]:
    due = row["renewal_date"]
    return {
        "account_id": row["account_id"],
        "contract": f"c-{due}",
        "resolved": datetime.combine(due, time(9), tzinfo=UTC),
        "lost": bool(row["lost"]),
        "amount": 12 * row["mrr_minor"],
    }


async def ask(csm: httpx.AsyncClient, **body: Any) -> str:
    answer = await csm.post(BACKTESTS, json={"profile": "default", "plan": PLAN, **body})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def look(csm: httpx.AsyncClient, backtest_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await csm.get(f"{BACKTESTS}/{backtest_id}")).json()
    return found


async def test_a_model_is_fitted_back_tested_and_put_in_force(
    csm: httpx.AsyncClient, health: Database
) -> None:
    await record(health)
    answer = await csm.post(MODELS, json={"plan": PLAN})
    backtest_id = answer.json()["id"]
    assert (await look(csm, backtest_id))["state"] == "queued"
    not_yet = await csm.get(f"{BACKTESTS}/{backtest_id}/report")
    assert (not_yet.status_code, not_yet.json()["code"]) == (409, "backtest_not_done")

    assert await run_backtests(health)

    done = await look(csm, backtest_id)
    assert (done["state"], done["progress"], done["error"]) == ("done", 1.0, None)
    found = done["result"]
    assert found["expert"]["overall"]["auc"]["value"] > 0.6  # the losses were planted in usage
    assert found["halves"]["train_losses"] >= 30
    assert found["data"]["names_users"]
    page = await csm.get(f"{BACKTESTS}/{backtest_id}/report")
    assert page.headers["content-type"].startswith("text/html")
    assert "Would this profile have seen the losses coming?" in page.text
    assert "<script" not in page.text
    (model,) = (await csm.get(MODELS)).json()["data"]
    assert (model["version"], model["is_active"]) == (done["model_version"], False)
    assert min(model["betas"].values()) >= 0
    forced = {"force": True, "reason": "we try it on one team"}
    active = await csm.post(f"{MODELS}/{model['version']}/activate", json=forced)
    assert active.json()["is_active"], active.text
    assert active.json()["backtest"]["headline"].startswith("Of 100 customers flagged")
    async with health.transaction() as tx:
        assert (await fitted.active(tx))[f"default@{VERSION}"].version == model["version"]
        stored = await profiles.get(tx, "default", VERSION)
    assert stored is not None
    assert stored["backtest"]["id"] == backtest_id


async def test_a_worker_that_was_killed_is_followed_by_another(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    outcomes = await record(health, accounts=60)
    # What is planted goes on past the test's today.
    past = [row for row in outcomes if row["renewal_date"] <= NOON.date()]
    rows = [{**row, "renewal_date": str(row["renewal_date"])} for row in past]
    backtest_id = await ask(csm, outcomes=rows)
    async with health.transaction() as tx:
        lost = await backtests.claim(tx)  # by a worker that is killed at once
    assert lost is not None
    assert not await run_backtests(health)  # its lease still holds: one at a time
    clock.advance(LEASE + timedelta(seconds=1))
    assert await run_backtests(health)
    done = await look(csm, backtest_id)
    assert (done["state"], done["attempts"]) == ("done", 2)
    async with health.transaction() as tx:
        assert not await backtests.renew(tx, lost, 0.5, "late")  # the first one may not go on


async def test_a_calculation_that_was_killed_is_tried_again_and_given_up_after_three(
    csm: httpx.AsyncClient, health: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = Calculation.start

    async def start_and_kill(url: str, backtest_id: Any) -> Calculation:
        calculation = await started(url, backtest_id)
        os.kill(calculation.pid, signal.SIGKILL)
        return calculation

    monkeypatch.setattr(Calculation, "start", start_and_kill)
    backtest_id = await ask(csm)
    for _ in range(2):
        assert await run_backtests(health)
        assert (await look(csm, backtest_id))["state"] == "queued"
    assert await run_backtests(health)
    failed = await look(csm, backtest_id)
    assert failed["state"] == "failed"
    assert failed["error"].startswith("the calculation ended 3 times with exit code")


async def test_a_calculation_leaves_with_who_started_it(health: Database) -> None:
    url = health.engine.url.render_as_string(hide_password=False)
    calculation = await Calculation.start(url, uuid4())
    process = calculation._process  # noqa: SLF001 - the pipe of a parent that is gone
    assert process.stdin is not None
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 120) == 3


async def test_what_runs_can_be_cancelled_and_what_is_over_cannot(
    csm: httpx.AsyncClient, health: Database
) -> None:
    backtest_id = await ask(csm)
    assert (await csm.post(f"{BACKTESTS}/{backtest_id}/cancel")).status_code == 204
    assert not await run_backtests(health)
    again = await csm.post(f"{BACKTESTS}/{backtest_id}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "backtest_is_over")


async def test_thin_data_fail_with_a_reason(csm: httpx.AsyncClient, health: Database) -> None:
    backtest_id = await ask(csm)
    await run_backtests(health)
    assert (await look(csm, backtest_id))["error"].startswith("No renewal has ended yet")
    few = [{"account_id": "acme", "renewal_date": "2026-01-01", "lost": 1}]
    backtest_id = await ask(csm, outcomes=few)
    await run_backtests(health)
    failed = await look(csm, backtest_id)
    assert failed["state"] == "failed"
    assert "0 renewals with 0 losses could be watched beforehand" in failed["error"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"profile": "nobody"}, 404, "there is no profile nobody"),
        ({"profile": "../default"}, 404, "there is no profile"),
        ({"version": 9}, 404, "there is no profile default@9"),
        ({"outcomes": "account_id,lost\nacme,1"}, 422, "column renewal_date is missing"),
        ({"outcomes": "account_id,renewal_date,lost\nacme,soon,1"}, 422, "row 1: renewal_date"),
        ({"outcomes": "account_id,renewal_date,lost\nacme,2026-01-01,2"}, 422, "row 1: lost"),
        ({"outcomes": "account_id,renewal_date,lost\n"}, 422, "row 1: account_id"),
        ({"outcomes": [{"account_id": "a", "renewal_date": "2026-01-01"}]}, 422, "column lost"),
        ({"outcomes": []}, 422, ""),
        ({"plan": {"horizon_days": 20, "min_lead_days": 30}}, 422, "min_lead_days"),
        ({"plan": {"budget": 2}}, 422, ""),
        ({"plan": {"horizon": 20}}, 422, ""),
    ],
)
async def test_wrong_input_is_refused_with_what_to_do(
    csm: httpx.AsyncClient, body: dict[str, Any], status: int, words: str
) -> None:
    answer = await csm.post(BACKTESTS, json={"profile": "default", **body})
    assert answer.status_code == status, answer.text
    assert words in answer.text


async def test_unknown_ones_are_not_found_and_readers_cannot_ask(
    csm: httpx.AsyncClient, open_client: OpenClient
) -> None:
    nothing = f"{BACKTESTS}/0198c0de-0000-7000-8000-000000000000"
    assert (await csm.get(nothing)).json()["code"] == "unknown_backtest"
    missing = await csm.post(f"{MODELS}/7/activate", json={})
    assert missing.json()["code"] == "unknown_model"
    unreasoned = await csm.post(f"{MODELS}/7/activate", json={"force": True})
    assert unreasoned.json()["code"] == "reason_needed"
    reader = await open_client("health", scopes=["health:read"])
    assert (await reader.post(BACKTESTS, json={"profile": "default"})).status_code == 403


async def test_a_model_that_is_not_better_needs_a_reason(
    csm: httpx.AsyncClient, health: Database
) -> None:
    backtest_id = await ask(csm)
    async with health.transaction() as tx:
        lease = await backtests.claim(tx)
        assert lease is not None
        await backtests.finish(tx, lease, {}, {"model_gain_auc": {"value": -0.02}})
        await tx.execute(
            "INSERT INTO loss_models (profile_name, version, profile_version, model, backtest_id, "
            "trained_at) VALUES ('default', 1, :version, :model, :id, :now)",
            model={"betas": {}, "intercepts": {}, "month_slope": 0, "trained_on": 1, "losses": 1,
                   "horizon_days": 90},
            id=backtest_id,
            version=VERSION,
            now=tx.now,
        )  # fmt: skip
    refused = await csm.post(f"{MODELS}/1/activate", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "model_not_better")
    assert "AUC -0.020" in refused.json()["detail"]
    reason = {"force": True, "reason": "asked for by the board"}
    forced = await csm.post(f"{MODELS}/1/activate", json=reason)
    assert forced.json()["forced_because"] == reason["reason"]
