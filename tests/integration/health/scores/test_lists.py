"""Lists of scores: filtered, sorted and paged."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.health.jobs.upkeep import refresh_scores
from services.health.storage.account import accounts
from shared.db.transaction import Database
from shared.kernel.clock import FixedClock
from tests.integration.health.scores.scoring import (
    known,
    signal,
)


async def test_lists_filter_and_sort_and_page_as_a_person_would(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    async with health.transaction() as tx:
        for number in range(12):
            await accounts.upsert(tx, f"a{number:02}", "big" if number % 3 else "small", "UTC")
    for number in range(12):
        await signal(csm, "nps_answered", f"a{number:02}", value=float(number % 11))
        if number % 2:
            await known(csm, f"a{number:02}", nps=number % 11)
        await refresh_scores(health)
        clock.advance(timedelta(minutes=number % 3))

    async def walked(**query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {"has_more": True, "next_cursor": None}
        while page["has_more"]:
            cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
            answer = await csm.get("/api/v1/accounts", params={"limit": "3", **query, **cursor})
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += page["data"]
        return found

    everybody = await walked()
    assert len(everybody) == 12

    def ids(rows: Sequence[dict[str, Any]]) -> list[str]:
        return [row["account_id"] for row in rows]

    def sort(key: str, *, down: bool) -> list[str]:
        chosen = sorted(everybody, key=lambda row: row["account_id"], reverse=False)
        return ids(sorted(chosen, key=lambda row: row[key], reverse=down))

    for order, key in (("score", "score"), ("changed", "changed_at")):
        up, downwards = await walked(sort=order), await walked(sort=f"-{order}")
        assert [row[key] for row in up] == sorted(row[key] for row in everybody)
        assert ids(downwards) == list(reversed(ids(up)))
    assert ids(await walked(sort="-account_id")) == sort("account_id", down=True)
    small = [row for row in everybody if row["segment"] == "small"]
    assert ids(await walked(segment="small")) == ids(small)
    known_ones = [row for row in everybody if row["coverage"] >= 0.35]
    assert ids(await walked(coverage_from="0.35")) == ids(known_ones)
    band = known_ones[0]["band"]
    assert ids(await walked(band=band)) == ids([r for r in everybody if r["band"] == band])
    middle = [r for r in everybody if 45 <= r["score"] < 60 and r["segment"] == "big"]
    found = await walked(score_from="45", score_below="60", segment="big", sort="score")
    assert set(ids(found)) == set(ids(middle))
    assert middle


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"band": "purple"}, 422, "invalid_request"),
        ({"sort": "name"}, 422, "invalid_request"),
        ({"score_below": "101"}, 422, "invalid_request"),
        ({"score_below": "nan"}, 422, "invalid_request"),
        ({"coverage_from": "-0.1"}, 422, "invalid_request"),
        ({"score_from": "60", "score_below": "50"}, 422, "nothing_between"),
        ({"segment": ""}, 422, "invalid_request"),
        ({"segment": "a\0b"}, 422, "invalid_request"),
        ({"cursor": "!!"}, 400, "invalid_cursor"),
        # A cursor of another order.
        ({"sort": "score", "cursor": "eyJhY2NvdW50X2lkIjoiYSJ9"}, 400, "invalid_cursor"),
        # A cursor that was made by hand: it names no list.
        (
            {"sort": "score", "cursor": "eyJzY29yZSI6Im5hbiIsImFjY291bnRfaWQiOiJhIn0"},
            400,
            "invalid_cursor",
        ),
    ],
)
async def test_a_list_that_makes_no_sense_is_refused(
    csm: httpx.AsyncClient, query: dict[str, str], status: int, code: str | None
) -> None:
    answer = await csm.get("/api/v1/accounts", params=query)
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
