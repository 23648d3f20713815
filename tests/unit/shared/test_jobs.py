"""Jobs: again and again, and no more of the time than they may take."""

import asyncio
from datetime import timedelta
from typing import cast

import pytest

from shared.db import jobs
from shared.db.jobs import Job, run_job
from shared.db.transaction import Database


async def _rests(monkeypatch: pytest.MonkeyPatch, *, more: bool, share: float) -> list[float]:
    """Run a job that takes two seconds each time; return how long it rested each time."""
    stop, rested = asyncio.Event(), list[float]()
    clock = [0.0]

    async def run(_database: Database) -> bool:
        clock[0] += 2.0
        if clock[0] > 5.0:
            stop.set()
        return more

    async def rest(_stop: asyncio.Event, seconds: float) -> None:
        rested.append(seconds)

    monkeypatch.setattr(jobs, "rest", rest)
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: clock[0])
    job = Job("work", timedelta(seconds=7), run, share=share)
    await run_job(job, cast("Database", None), stop)
    return rested


async def test_a_job_rests_when_there_is_no_more_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _rests(monkeypatch, more=False, share=0.4) == [7.0, 7.0, 7.0]


async def test_a_job_with_more_to_do_goes_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _rests(monkeypatch, more=True, share=1.0) == []


async def test_a_job_takes_its_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _rests(monkeypatch, more=True, share=0.4) == pytest.approx([3.0, 3.0, 3.0])
