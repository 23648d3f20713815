"""P5: HTTP ingest of batches of 100, against a bare Starlette route that only reads and decodes.

Both run under uvicorn and uvloop in processes of their own and are loaded in turn by the same
generator. Health answers as an HTTP-only replica (`TENURE_WORKERS=false`), since the bare route
counts nothing either; afterwards a full one counts what was acknowledged, exactly.
"""

import sys
import time
from collections.abc import Mapping
from statistics import median
from subprocess import run as run_program
from typing import Any

import msgspec

from benchmarks.checks import Ledger
from benchmarks.consumers import COUNTED
from benchmarks.cpu import CpuMeter
from benchmarks.database import Reader
from benchmarks.ground import Ground, Served, is_ready, open_ground
from benchmarks.http_load import Order
from benchmarks.options import Options
from benchmarks.progress import wait_for
from tenure.stack.ports import free_port
from tenure.stack.processes import ManagedProcess

_TARGET = 0.6
_CONNECTIONS = 64
"""Enough that the server has work while others wait for the broker; the bare route always has."""
_WITHIN = 120.0
_WARM_UP = 60


def run(options: Options, ledger: Ledger) -> Mapping[str, Any]:
    """Measure P5; return its section of the report."""
    batches = options.size(options.events // 100, full=1_500, quick=400)
    rounds = options.size(options.rounds, full=3, quick=2)
    with open_ground(options) as ground:
        url = ground.migrated_database()
        key = ground.write_key(url, "bench", ["usage:write"])
        found = _alternate(options, ground, url, (key, batches, rounds))
        options.say("P5 counting what was acknowledged")
        acknowledged = sum(each["events"] for each in found["tenure"])
        ledger.check("p5 http", expected=acknowledged, counted=_count(ground, url, acknowledged))
    for name, runs in found.items():
        wrong = sum(each["wrong_count"] for each in runs)
        ledger.check(f"p5 answers other than 200 from {name}", expected=0, counted=wrong)
    return _section({name: runs[1:] for name, runs in found.items()}, batches)


def _alternate(
    options: Options, ground: Ground, url: str, order: tuple[str, int, int]
) -> dict[str, list[dict[str, Any]]]:
    key, batches, rounds = order
    port = free_port()
    bare_command = [sys.executable, "-m", "benchmarks.bare_route", str(port)]
    found: dict[str, list[dict[str, Any]]] = {"bare": [], "tenure": []}
    with (
        ground.running("bare", bare_command) as bare_process,
        ground.serving("health", url, extra={"TENURE_WORKERS": "false"}) as health,
    ):
        bare = Served(f"http://127.0.0.1:{port}", bare_process)
        _until_ready(bare)
        for number in range(rounds + 1):
            for name, served in (("bare", bare), ("tenure", health)):
                options.say(f"P5 {name}, round {number} of {rounds}")
                size = batches if number else _WARM_UP
                one = Order(f"{served.url}/v1/batch", key, f"h{number}", size, _CONNECTIONS)
                found[name].append(_load(ground, one, served.process))
    return found


def _load(ground: Ground, order: Order, server: ManagedProcess) -> dict[str, Any]:
    meter = CpuMeter({"server": server.pid, **ground.pids})
    done = run_program(  # noqa: S603 - our own module, and no shell reads it
        [sys.executable, "-m", "benchmarks.http_load", msgspec.json.encode(order).decode()],
        capture_output=True,
        check=True,
        timeout=_WITHIN,
    )
    found: dict[str, Any] = msgspec.json.decode(done.stdout)
    found["events_per_second"] = round(found["events"] / found["seconds"], 1)
    core_us = {**meter.per_event(found["events"])}
    core_us["generator"] = round(found["cpu_seconds"] * 1e6 / max(1, found["events"]), 2)
    return {**found, "core_us_per_event": core_us}


def _until_ready(served: Served) -> None:
    deadline = time.monotonic() + 30
    while not is_ready(f"{served.url}/readyz") and time.monotonic() < deadline:
        time.sleep(0.05)


def _count(ground: Ground, url: str, expected: int) -> int:
    """Let a full replica count, and look once more when nothing can come any more."""
    with ground.serving("health", url, wait=False) as served, Reader(url) as reader:

        def counted() -> int:
            return int(reader.value(COUNTED.format(schema="health.")))

        process = served.process
        wait_for(counted, expected, within=_WITHIN, is_alive=lambda: process.is_running)
        time.sleep(1.5)
        return counted()


def _section(found: Mapping[str, list[dict[str, Any]]], batches: int) -> Mapping[str, Any]:
    rates = {name: [each["events_per_second"] for each in runs] for name, runs in found.items()}
    pairs = zip(rates["tenure"], rates["bare"], strict=True)
    ratios = [round(ours / bare, 4) for ours, bare in pairs]
    return {
        "batches": batches,
        "events_per_batch": 100,
        "connections": _CONNECTIONS,
        "runs": found,
        "ratios": {
            "P5_vs_bare": {
                "value": round(median(ratios), 4),
                "ours": round(median(rates["tenure"]), 1),
                "baseline": round(median(rates["bare"]), 1),
                "unit": "events/s",
                "rounds": ratios,
                "target": _TARGET,
            }
        },
    }
