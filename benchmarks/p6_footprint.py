"""P6: what the idle product takes of memory, and how long until it first says something."""

import sys
import time
from collections.abc import Mapping
from subprocess import run as run_program
from typing import Any

import msgspec

from benchmarks.checks import Ledger
from benchmarks.cpu import proportional_bytes, resident_bytes
from benchmarks.ground import open_ground
from benchmarks.options import Options
from tenure.catalog import SERVICES

_MIB = 1024 * 1024
_IDLE_AFTER = 8.0
_DEMO_WITHIN = 300.0


def run(options: Options, ledger: Ledger) -> Mapping[str, Any]:
    """Measure P6; return its section of the report."""
    options.say("P6 memory of the idle services")
    with open_ground(options, services=tuple(SERVICES)) as ground:
        time.sleep(_IDLE_AFTER)
        pids = {each.service: each.process.pid for each in ground.stack.replicas} | ground.pids
        resident = {name: round(resident_bytes(pid) / _MIB, 1) for name, pid in pids.items()}
        shared = {name: round(proportional_bytes(pid) / _MIB, 1) for name, pid in pids.items()}
    services = sum(resident[name] for name in SERVICES)
    found: dict[str, Any] = {
        "resident_mib": resident,
        "proportional_mib": shared,
        "targets": {
            "P6_idle_mib": {
                "value": round(services, 1),
                "target": 900,
                "unit": "MiB",
                "note": "resident, five services; Postgres and broker apart",
            }
        },
    }
    if not options.quick:
        options.say("P6 the demo, from nothing to the first alert")
        found["targets"]["P6_first_alert_seconds"] = _first_alert(ledger)
    return found


def _first_alert(ledger: Ledger) -> Mapping[str, Any]:
    done = run_program(
        [sys.executable, "-m", "tenure", "demo", "--json"],
        capture_output=True,
        check=False,
        timeout=_DEMO_WITHIN,
    )
    shown = msgspec.json.decode(done.stdout) if done.stdout.strip() else {}
    expected, counted = shown.get("events_published", -1), shown.get("events_counted", 0)
    ledger.check("p6 demo: published and not refused", expected=0, counted=done.returncode)
    ledger.check("p6 demo: counted", expected=expected - shown.get("rejected", 0), counted=counted)
    return {
        "value": shown.get("first_alert_s"),
        "target": 90,
        "unit": "s",
        "note": "tenure demo, with everything installed",
    }
