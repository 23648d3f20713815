"""`tenure demo`, as a process, once: what a person who tries Tenure sees first."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def played() -> dict[str, Any]:
    """Plays the story once, for all tests of this module."""
    done = subprocess.run(
        [sys.executable, "-m", "tenure", "demo", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return {"said": json.loads(done.stdout), "told": done.stderr}


def test_every_check_holds(played: dict[str, Any]) -> None:
    said = played["said"]
    assert said["ok"] is True
    assert [check for check in said["checks"] if not check["ok"]] == []
    assert len(said["checks"]) >= 20


def test_what_was_published_was_counted_once_or_rejected(played: dict[str, Any]) -> None:
    said = played["said"]
    assert said["events_published"] - said["rejected"] == said["events_counted"] > 50_000
    assert said["duplicates_sent"] > 0
    assert said["rejected"] == 6


def test_each_alert_reached_each_channel_once(played: dict[str, Any]) -> None:
    alerts = played["said"]["alerts"]
    assert {(a["account"], a["reason"]) for a in alerts} == {
        ("cobalt", "usage_drop"),
        ("mesa", "usage_drop"),
        ("mesa", "silence"),
        ("harbor", "champion_left"),
        ("harbor", "payment_failed"),
    }
    assert {(a["inbox"], a["email"], a["webhook"]) for a in alerts} == {(1, 1, 1)}
    assert played["said"]["risks_opened"] == len(alerts)


def test_the_story_is_told_with_its_latencies_and_not_on_stdout(played: dict[str, Any]) -> None:
    assert "Usage has dropped" in played["told"]
    assert "recovered: champion left" in played["told"]
    assert 0 < played["said"]["event_to_alert_ms"]["p50"] < 10_000
    assert 0 < played["said"]["cold_start_s"] < played["said"]["first_alert_s"] < 90
