"""How a score moves, ranks, and becomes a risk."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Profile
from services.health.domain.score.percentile import Distribution
from services.health.jobs.upkeep import refresh_scores, refresh_stale_scores
from services.health.storage.account import accounts
from services.health.usecases.files.files import load_profile
from services.health.usecases.score.comparing import compute_distributions
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tests.builders.health import default_document
from tests.builders.sealing import put_counts, seal_through
from tests.conftest import NOON
from tests.integration.health.scores.scoring import (
    DAY,
    facts,
    known,
    read,
    rescored,
    signal,
    value,
)


async def test_a_score_moves_though_nothing_happens_and_is_said_when_it_has_moved_enough(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await known(csm)
    await refresh_scores(health)
    before = (await read(csm, ""))["score"]
    said = len(await facts(health, "score_changed"))
    clock.advance(timedelta(hours=23))
    await refresh_stale_scores(health)
    assert not await refresh_scores(health)
    for _ in range(60):
        clock.advance(DAY)
        await refresh_stale_scores(health)
        await refresh_scores(health)
    after = (await read(csm, ""))["score"]
    assert before - after > 4
    told = (await facts(health, "score_changed"))[said:]
    # Each day moves it by far less than the dead band: what is said is the sum of small moves.
    same_band = [one for one in told if one["band"] == one["previous_band"]]
    assert same_band
    assert all(abs(one["score"] - one["previous_score"]) >= 2 for one in same_band)


async def test_a_low_score_is_a_risk_only_when_a_second_day_confirms_it(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    for kind in ("promise_broken", "payment_failed", "champion_left"):
        await signal(csm, kind)
    await signal(csm, "outcome_checked_in", value=0.0)
    await signal(csm, "nps_answered", value=0)
    await refresh_scores(health)
    assert (await read(csm, ""))["band"] == "at_risk"

    async def reasons() -> set[str]:
        rows = (await csm.get("/api/v1/risks", params={"status": "open"})).json()["data"]
        return {row["reason"] for row in rows}

    assert "low_score" not in await reasons()
    clock.advance(timedelta(hours=25))
    await refresh_stale_scores(health)
    await refresh_scores(health)
    assert "low_score" in await reasons()


def ranked_profile() -> Profile:
    document = default_document()
    nps = document["dimensions"]["sentiment"]["inputs"]["nps"]
    del nps["steps"]
    nps["percentile"] = {"higher_is": "healthy", "min_accounts": 20}
    nps["signals"] = {"outcome_checked_in": "value"}  # a value with fractions
    return parse_profile(document)


async def test_a_value_is_ranked_among_similar_accounts_and_the_explanation_says_which(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    profile = ranked_profile()
    for number in range(25):
        name = "acme" if number == 5 else f"peer{number}"
        await signal(csm, "outcome_checked_in", name, value=number / 25)
    await rescored(health, profile)
    line = next(one for one in (await read(csm, "/explain"))["lines"] if one["metric"] == "nps")
    assert "not enough similar accounts (n=0" in line["sentence"]
    assert (line["subscore"], line["freshness"]) == (0.5, 0)
    async with health.transaction() as tx:
        assert await compute_distributions(tx, [profile], 35 * DAY)
        assert not await compute_distributions(tx, [profile], 35 * DAY)
    clock.advance(timedelta(minutes=1))
    await rescored(health, profile)
    line = next(one for one in (await read(csm, "/explain"))["lines"] if one["metric"] == "nps")
    assert line["subscore"] == pytest.approx(5.5 / 25, abs=0.02)
    assert line["peers"]["accounts"] == 25
    assert "of 25 similar customers" in line["sentence"]
    # Anybody can compute it again from what is kept.
    quantiles = await value(
        health,
        "SELECT quantiles FROM segment_distributions WHERE computed_at = :at AND input = 'nps'",
        at=datetime.fromisoformat(line["peers"]["computed_at"]),
    )
    assert sum(q < line["value"] for q in quantiles) / 101 < line["peers"]["percentile"]
    clock.advance(timedelta(days=1))
    async with health.transaction() as tx:
        await compute_distributions(tx, [profile], timedelta(hours=1))
    assert await value(health, "SELECT count(*) FROM segment_distributions") == 1


async def test_another_segment_has_its_own_ranks(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    profile = ranked_profile()
    async with health.transaction() as tx:
        for number in range(40):
            await accounts.upsert(tx, f"a{number}", "big" if number % 2 else "small", "UTC")
    for number in range(40):
        await signal(csm, "outcome_checked_in", f"a{number}", value=number / 40)
    await rescored(health, profile)
    async with health.transaction() as tx:
        await compute_distributions(tx, [profile], DAY)
        rows = await tx.fetch_all("SELECT * FROM segment_distributions ORDER BY segment")
    assert [(row["segment"], row["accounts"]) for row in rows] == [("big", 20), ("small", 20)]
    assert [row["quantiles"][-1] for row in rows] == [39 / 40, 38 / 40]
    same = Distribution.of("big", "nps", 90, [n / 40 for n in range(1, 40, 2)], clock.now())
    assert tuple(rows[0]["quantiles"]) == same.quantiles


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


async def test_a_batch_takes_as_many_queries_as_one_account(
    csm: httpx.AsyncClient, health: Database
) -> None:
    async def queries(names: Sequence[str]) -> int:
        for name in names:
            await signal(csm, "nps_answered", name, value=9)
        with counted(health) as statements:
            assert await refresh_scores(health)
        return len(statements)

    one = await queries(["alone"])
    assert await queries([f"a{number}" for number in range(40)]) == one


async def test_an_account_is_scored_when_it_opens_and_says_nothing_until_something_is_known(
    csm: httpx.AsyncClient, health: Database
) -> None:
    async with health.transaction() as tx:
        await accounts.upsert(tx, "acme", "mid", "Europe/Berlin")
    await refresh_scores(health)
    shown = await read(csm, "")
    assert (shown["score"], shown["band"], shown["coverage"]) == (50, "unknown", 0)
    assert await facts(health, "score_changed") == []
    assert (await read(csm, "/explain"))["scored_at"] == NOON.astimezone(UTC).isoformat().replace(
        "+00:00", "Z"
    )


async def test_while_history_may_be_on_its_way_nothing_is_said_of_silence(
    csm: httpx.AsyncClient, health: Database
) -> None:
    async with health.transaction() as tx:
        await put_counts(tx, {"acme": [3]}, first=NOON.date() - timedelta(days=20))
    await rescored(health, load_profile())
    assert "days_since_activity" in (await read(csm, "/explain"))["missing"]


async def test_a_normal_that_is_not_known_yet_is_not_said_to_be_reached(
    csm: httpx.AsyncClient, health: Database
) -> None:
    async with health.transaction() as tx:
        await put_counts(tx, {"acme": [5] * 10}, first=NOON.date() - timedelta(days=10))
    await seal_through(health, NOON.date() - timedelta(days=1))
    await rescored(health, load_profile())
    lines = {line["metric"]: line for line in (await read(csm, "/explain"))["lines"]}
    assert lines["usage_ratio"]["sentence"].startswith("Usage: not yet 28 days to know its own")


async def test_an_account_that_cannot_be_scored_keeps_no_other_from_it(health: Database) -> None:
    async with health.transaction() as tx:
        for account_id in ("bad", "good"):
            await accounts.ensure(tx, account_id, tx.now)
        await accounts.score_again(tx, ["bad", "good"])
        await tx.execute(
            "INSERT INTO risks (id, account_id, reason, status, risk, opened_at, changed_at) "
            "VALUES (gen_random_uuid(), 'bad', 'silence', 'unheard_of', '{}', now(), now())"
        )
    await refresh_scores(health)
    async with health.transaction() as tx:
        rows = await tx.fetch_all("SELECT account_id, rescore_at FROM accounts ORDER BY 1")
    assert rows[1]["rescore_at"] is None
    assert rows[0]["rescore_at"] > tx.now
